"""`stem-bridge --help` answers at once: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "numpy",
    "pydantic",
    "soundfile",
    "soxr",
    "scipy",
    "watchdog",
    "torch",
    "demucs",
    "pedalboard",
    "huggingface_hub",
    "yaml",
}


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out.split())


def test_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_after("import bridge.cli.main") & HEAVY


def test_the_parent_side_of_the_worker_loads_no_torch_and_no_pedalboard() -> None:
    loaded = loaded_after(
        "import bridge.worker.client, bridge.presets.loader, bridge.models.weights, bridge.delivery.publish"
    )
    assert not loaded & {"torch", "demucs", "pedalboard"}


def test_the_daemon_itself_loads_no_numbers_and_no_sound() -> None:
    loaded = loaded_after("import bridge.daemon.loop")
    assert not loaded & {"torch", "demucs", "pedalboard", "soundfile", "soxr", "scipy", "numpy", "mido", "rich"}
