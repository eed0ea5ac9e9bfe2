"""Whether somebody sits at the computer: what every system answers, and an honest "nobody knows"."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from bridge import idle
from bridge.idle import idle_seconds

IOREG = """+-o IOHIDSystem  <class IOHIDSystem, id 0x100000475, registered, matched, active, busy 0 (0 ms), retain 29>
    {
      "HIDIdleTime" = 90500000000
      "IOClass" = "IOHIDSystem"
    }
"""
LOGIND = "IdleHint={hint}\nIdleSinceHint=1000000000\n"


def system(**answers: str) -> idle.Ask:
    """A system on which only these programs answer."""

    def ask(command: Sequence[str]) -> str:
        return answers.get(command[0], "")

    return ask


@pytest.mark.parametrize(
    ("platform", "answers", "environment", "seconds"),
    [
        ("darwin", {"ioreg": IOREG}, {}, 90.5),
        ("darwin", {"ioreg": "nothing of the kind"}, {}, None),
        ("linux", {"gdbus": "(uint64 61234,)\n", "xprintidle": "5\n"}, {}, 61.234),
        ("linux", {"xprintidle": "5000\n", "loginctl": LOGIND.format(hint="yes")}, {}, 5.0),
        ("linux", {"loginctl": LOGIND.format(hint="yes")}, {"DISPLAY": ":0"}, 500.0),
        ("linux", {"loginctl": LOGIND.format(hint="no")}, {}, 0.0),
        ("linux", {"loginctl": LOGIND.format(hint="no")}, {"WAYLAND_DISPLAY": "wayland-0"}, None),
        ("linux", {"loginctl": "IdleHint=yes\nIdleSinceHint=soon\n"}, {}, None),
        ("linux", {"gdbus": "Error: no such name", "xprintidle": "-1"}, {}, None),
        ("linux", {}, {}, None),
        ("freebsd", {"xprintidle": "5000"}, {}, None),
    ],
)
def test_what_a_system_says(
    platform: str, answers: dict[str, str], environment: dict[str, str], seconds: float | None
) -> None:
    found = idle_seconds(system(**answers), platform=platform, environment=environment, now=lambda: 1500.0)
    assert found == (pytest.approx(seconds) if seconds is not None else None)


def test_a_count_that_began_again_is_followed() -> None:
    assert idle._ticks_between(1000, 61_000) == 60.0
    assert idle._ticks_between(0xFFFFFFFF, 999) == 1.0


def test_a_program_that_is_not_there_or_fails_says_nothing() -> None:
    assert idle._asked(["no such program"]) == ""
    assert idle._asked([sys.executable, "-c", "print('60'); raise SystemExit(1)"]) == ""
    assert idle._asked([sys.executable, "-c", "print('60')"]).strip() == "60"


def test_this_very_system_answers_or_says_that_it_cannot() -> None:
    found = idle_seconds()
    assert found is None or found >= 0.0
