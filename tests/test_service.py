"""The service: its files say what they should to the parsers that read them, and its commands run in order."""

from __future__ import annotations

import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.service import daemon_command
from bridge.errors import ConfigError
from bridge.service import Ran, Service, install, plan, remove, run_command, status, systemd_word

COMMAND = ('/home/it\'s me/50% "off"/$HOME/python', "-m", "bridge", "watch", "--config", "/a b/bridge & co.yaml")
ENVIRONMENT = {"PATH": "/opt/x:/usr/bin", "STEM_BRIDGE_DATA": "/data %h", "SECRET": "no", "HF_HOME": ""}


def planned(system: str, tmp_path: Path, command: Sequence[str] = COMMAND) -> Service:
    return plan(
        system, command, environment=ENVIRONMENT, home=tmp_path, state=tmp_path / "state", user="PC\\a & b", uid=501
    )


def unit(service: Service) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in service.content.decode().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def systemd_split(text: str, *, command: bool) -> list[str]:
    """Read words as systemd does: quotes, backslashes as C has them, %% and, in commands, $$."""
    words = []
    for word in shlex.split(text.replace("\\x", "\\\\x")):
        read = word.encode("utf-8", "surrogateescape").replace(b"%%", b"%")
        if command:
            read = read.replace(b"$$", b"$")
        words.append(read.decode("utf-8", "surrogateescape"))
    return words


def test_the_unit_of_systemd_starts_the_very_command_and_restarts_only_what_may_help(tmp_path: Path) -> None:
    service = planned("Linux", tmp_path)
    said = unit(service)
    assert service.file == tmp_path / ".config/systemd/user/stem-bridge.service"
    assert systemd_split(said["ExecStart"][0], command=True) == list(COMMAND)
    kept = [word for line in said["Environment"] for word in systemd_split(line, command=False)]
    assert kept == ["PATH=/opt/x:/usr/bin", "STEM_BRIDGE_DATA=/data %h"]
    assert (said["Restart"], said["RestartPreventExitStatus"]) == (["on-failure"], ["2"])
    assert said["KillMode"] == ["mixed"], "the worker is not stopped behind the daemon's back"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    service = planned("Linux", tmp_path, (sys.executable, *COMMAND))
    file = tmp_path / service.file.name
    file.write_bytes(service.content)
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_any_text_is_one_word_to_systemd(text: str) -> None:
    assert systemd_split(systemd_word(text, command=True), command=True) == [text]


def test_no_name_makes_a_line_of_its_own(tmp_path: Path) -> None:
    service = planned("Linux", tmp_path, ("/a\nExecStartPre=/bin/evil", "\r\x7f"))
    assert unit(service).keys() == unit(planned("Linux", tmp_path)).keys()


def test_the_agent_of_launchd_starts_the_very_command(tmp_path: Path) -> None:
    service = planned("Darwin", tmp_path)
    said = plistlib.loads(service.content)
    assert said["ProgramArguments"] == list(COMMAND)
    assert said["EnvironmentVariables"] == {"PATH": "/opt/x:/usr/bin", "STEM_BRIDGE_DATA": "/data %h"}
    assert said["KeepAlive"] == {"SuccessfulExit": False}
    assert service.file.name == said["Label"] + ".plist"
    assert service.remove[0][-1] == f"gui/501/{said['Label']}"


def test_the_task_of_windows_starts_the_very_command_for_this_user_without_a_time_limit(tmp_path: Path) -> None:
    service = planned("Windows", tmp_path, ("C:\\A & B\\pythonw.exe", "-m", "bridge", "--config", 'C:\\a "b" <c>.yaml'))
    root = ET.fromstring(service.content.decode("utf-16").split("?>", 1)[1])
    said: dict[str, Any] = {element.tag.rpartition("}")[2]: element.text for element in root.iter()}
    assert said["Command"] == "C:\\A & B\\pythonw.exe"
    assert said["Arguments"] == '-m bridge --config "C:\\a \\"b\\" <c>.yaml"'
    assert (said["UserId"], said["RunLevel"], said["ExecutionTimeLimit"]) == ("PC\\a & b", "LeastPrivilege", "PT0S")
    assert said["DisallowStartIfOnBatteries"] == "false"
    assert "STEM_BRIDGE_DATA" in service.notes[0]


def test_another_system_is_told_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        planned("Plan9", tmp_path)
    assert "stem-bridge watch" in caught.value.hint


class System:
    """Runs nothing; remembers what it was asked, and fails where told."""

    def __init__(self, *failing: str) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.failing = failing

    def __call__(self, command: Sequence[str]) -> Ran:
        self.asked.append(tuple(command))
        failed = any(word in command for word in self.failing)
        return Ran(int(failed), "no such thing" if failed else "active")


@pytest.mark.parametrize("name", ["Linux", "Darwin", "Windows"])
def test_install_status_and_remove_leave_nothing_behind(tmp_path: Path, name: str) -> None:
    service, system = planned(name, tmp_path), System()
    assert status(service, system) is None
    for _ in range(2):
        install(service, system)
        assert service.file.read_bytes() == service.content
    assert system.asked == [*service.remove, *service.install] * 2, "an older one is stopped first"
    found = status(service, system)
    assert found == Ran(0, "active")
    assert remove(service, system)
    assert not service.file.exists()
    assert not remove(service, system)


class SlowLaunchd(System):
    """Lets a job end: the first answers say that the stop is under way, the next that nothing of the name is there."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.answers = answers

    def __call__(self, command: Sequence[str]) -> Ran:
        ran = super().__call__(command)
        if "bootout" not in command:
            return ran
        self.answers -= 1
        return Ran(36, "Operation now in progress") if self.answers >= 0 else Ran(3, "Boot-out failed: No such process")


def test_an_agent_that_lets_its_job_end_is_waited_for_before_it_is_started_anew(tmp_path: Path) -> None:
    service, system, slept = planned("Darwin", tmp_path), SlowLaunchd(3), list[float]()
    install(service, system, sleep=slept.append)
    assert [command[1] for command in system.asked] == ["bootout"] * 4 + ["enable", "bootstrap"]
    assert len(slept) == 3
    assert remove(service, SlowLaunchd(2), sleep=slept.append), "that it is gone in the end is no fault"
    install(service, System())
    assert 0 < len(slept) < 10
    with pytest.raises(ConfigError, match="in progress"):
        remove(service, SlowLaunchd(10_000), sleep=slept.append)
    assert len(slept) < 200, "a stop that never ends is not waited for without end"


def test_a_command_may_take_as_long_as_the_daemon_may_let_its_job_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def remembering(*_: object, timeout: float, **__: object) -> subprocess.CompletedProcess[str]:
        given.append(timeout)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(subprocess, "run", remembering)
    run_command([sys.executable])
    unit = planned("Linux", tmp_path).content.decode()
    stop = next(line.partition("=")[2] for line in unit.splitlines() if line.startswith("TimeoutStopSec="))
    assert given[0] > float(stop)


@pytest.mark.parametrize("name", ["Linux", "Darwin", "Windows"])
def test_a_command_that_fails_is_named_with_its_last_words(tmp_path: Path, name: str) -> None:
    service = planned(name, tmp_path)
    with pytest.raises(ConfigError, match="no such thing") as caught:
        install(service, System(service.install[-1][1]))
    assert service.install[-1][0] in caught.value.message
    assert not service.file.exists(), "what could not be started does not start at the next login either"
    install(service, System())
    with pytest.raises(ConfigError, match="no such thing"):
        remove(service, System(service.remove[-1][1]))
    assert not service.file.exists(), "it does not start again at the next login, whatever the system said"


@pytest.mark.parametrize(
    ("name", "said", "helps"),
    [
        ("Linux", "Failed to connect to bus: No medium found", "log in as yourself"),
        (
            "Linux",
            "Failed to connect to user scope bus via local transport: $DBUS_SESSION_BUS_ADDRESS and $XDG_RUNTIME_DIR "
            "not defined (consider using --machine=<user>@.host --user to connect to bus of other user)",
            "stem-bridge watch",
        ),
        ("Darwin", "Bootstrap failed: 125: Domain does not support specified action", "at the screen"),
        ("Linux", "Unit is masked.", "run: systemctl --user"),
        ("Darwin", "Bootstrap failed: 5: Input/output error", "run: launchctl"),
        ("Windows", "ERROR: Access is denied.", "run: schtasks /Create"),
    ],
)
def test_without_a_session_the_user_is_told_how_to_get_one_and_else_how_to_see_more(
    tmp_path: Path, name: str, said: str, helps: str
) -> None:
    service = planned(name, tmp_path)
    with pytest.raises(ConfigError) as caught:
        install(service, lambda command: Ran(1, said))
    assert said in caught.value.message
    assert helps in caught.value.hint


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        install(planned("Linux", tmp_path), System())


def test_a_system_without_the_command_is_told_what_to_do_instead() -> None:
    with pytest.raises(ConfigError) as caught:
        run_command(("no-such-command-anywhere",))
    assert "stem-bridge watch" in caught.value.hint


def test_the_daemon_is_started_with_this_environment_and_settings_and_without_a_window(tmp_path: Path) -> None:
    python = tmp_path / "python.exe"
    file = tmp_path / "bridge.yaml"
    assert daemon_command(python, None, windows=True)[0] == str(python)
    (tmp_path / "pythonw.exe").touch()
    assert daemon_command(python, file, windows=True)[0] == str(tmp_path / "pythonw.exe")
    command = daemon_command(python, file, windows=False)
    assert (command[0], command[-2:]) == (str(python), ("--config", str(file)))
    assert command[-3] == "watch"
