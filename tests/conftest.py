"""For every test: nobody's own settings, and no thread left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

_GRACE_SECONDS = 2.0
"""A thread that was told to stop may need a moment."""


@pytest.fixture(scope="session", autouse=True)
def _nobody_s_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith("STEM_BRIDGE_"):
            del os.environ[name]
    home = tmp_path_factory.mktemp("home")
    (home / "bridge.yaml").write_text("", encoding="utf-8")
    os.environ["STEM_BRIDGE_CONFIG"] = str(home / "bridge.yaml")
    os.environ["STEM_BRIDGE_DATA"] = str(home / "data")
    yield
    os.environ.clear()
    os.environ.update(before)


# A suite that a shell started in the background, or nohup, ignores these, and so would every program it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + _GRACE_SECONDS
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left, f"threads left behind: {sorted(thread.name for thread in left)}"
