"""The daemon as a service of this user: a systemd unit, a launchd agent, a Windows task. No administrator is needed.

`plan` decides the file's text and the commands, and touches nothing; `install`, `remove` and `status` do what it says.
"""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bridge.errors import ConfigError
from bridge.words import reason_of

__all__ = ["Ran", "Runner", "Service", "install", "plan", "remove", "run_command", "status"]

NAME = "stem-bridge"
LABEL = "org.stem-bridge.watch"
TASK = "Stem Bridge"

KEPT = ("PATH", "STEM_BRIDGE_CONFIG", "STEM_BRIDGE_DATA", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")
"""Variables that a service does not inherit from the terminal in which it is installed, and needs."""
_STOP_SECONDS = 90
"""How long a stop may take before the system kills: the daemon lets a job end for a minute, then takes it back."""
_COMMAND_SECONDS = _STOP_SECONDS + 30.0
"""A command that stops the service returns when it has stopped."""
_UNDER_WAY = 36
"""EINPROGRESS of macOS: launchctl answers before the service has ended, and starts none of its name until then."""


@dataclass(frozen=True)
class Ran:
    """How a command of the system ended."""

    code: int
    text: str
    """stdout and stderr together."""


Runner = Callable[[Sequence[str]], Ran]


@dataclass(frozen=True)
class Service:
    """What makes the service, takes it away and asks for it."""

    file: Path
    content: bytes
    install: tuple[tuple[str, ...], ...]
    """Run in order after the file is written; all must succeed."""
    remove: tuple[tuple[str, ...], ...]
    """Run in order before the file is deleted; what is not there is no fault."""
    tidy: tuple[tuple[str, ...], ...]
    """Run after the file is deleted."""
    status: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What the user should know after installing."""
    refusals: tuple[tuple[str, str], ...] = ()
    """Words by which the system refuses, and what then helps."""


def plan(
    system: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    home: Path,
    state: Path,
    user: str,
    uid: int,
) -> Service:
    """Decide the service for `system` ('Linux', 'Darwin', 'Windows'); raises ConfigError for another one.

    `command` starts the daemon; of `environment` only what it needs is kept; `state` is the folder for logs.
    """
    kept = {name: environment[name] for name in KEPT if environment.get(name)}
    if system == "Linux":
        folder = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
        return _systemd(folder / "systemd" / "user" / f"{NAME}.service", command, kept)
    if system == "Darwin":
        return _launchd(home / "Library" / "LaunchAgents" / f"{LABEL}.plist", command, kept, state, uid)
    if system == "Windows":
        return _task(state / "service.xml", command, kept, user)
    raise ConfigError(f"Services of {system} are not known.", hint="Let your system start at login: stem-bridge watch")


def _systemd(file: Path, command: Sequence[str], environment: Mapping[str, str]) -> Service:
    unit = f"{NAME}.service"
    lines = [
        "# Written by: stem-bridge service install",
        "[Unit]",
        "Description=Stem Bridge: renders in watched folders become stems",
        "StartLimitIntervalSec=600",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "Type=exec",
        "ExecStart=" + " ".join(systemd_word(word, command=True) for word in command),
        *("Environment=" + systemd_word(f"{name}={value}") for name, value in environment.items()),
        "ExecReload=/bin/kill -HUP $MAINPID",
        "# 2: the user must change something first. 130, 143: stopped.",
        "Restart=on-failure",
        "RestartSec=10",
        "RestartPreventExitStatus=2",
        "SuccessExitStatus=130 143",
        "# The daemon takes its job back by itself; what is left after the time is killed with it.",
        "KillMode=mixed",
        f"TimeoutStopSec={_STOP_SECONDS}",
        "Nice=5",
        "NoNewPrivileges=yes",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    control = ("systemctl", "--user")
    return Service(
        file,
        "\n".join(lines).encode("utf-8", "surrogateescape"),
        install=((*control, "daemon-reload"), (*control, "enable", unit), (*control, "restart", unit)),
        remove=((*control, "disable", "--now", unit),),
        tidy=((*control, "daemon-reload"),),
        status=(*control, "status", "--no-pager", "--lines=5", unit),
        notes=("It runs while you are logged in. To let it run always: loginctl enable-linger",),
        refusals=(
            (
                " bus",
                "systemd has no session of yours here, as after su or sudo, or in a container: log in as yourself and "
                "run this again, or let something else start at login: stem-bridge watch",
            ),
        ),
    )


def systemd_word(text: str, *, command: bool = False) -> str:
    """Quote one word of a unit file: no specifier, no variable and no escape is left in it."""
    quoted = []
    for char in text:
        if char in '"\\':
            quoted.append("\\" + char)
        elif char == "%" or (char == "$" and command):
            quoted.append(char * 2)
        elif ord(char) < 32 or ord(char) == 127:
            quoted.append(f"\\x{ord(char):02x}")
        else:
            quoted.append(char)
    return f'"{"".join(quoted)}"'


def _launchd(file: Path, command: Sequence[str], environment: Mapping[str, str], state: Path, uid: int) -> Service:
    content = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "EnvironmentVariables": dict(environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 60,
        "ExitTimeOut": _STOP_SECONDS,
        "Nice": 5,
        "LowPriorityIO": True,
        "StandardOutPath": str(state / "service.log"),
        "StandardErrorPath": str(state / "service.log"),
    }
    target = f"gui/{uid}"
    return Service(
        file,
        plistlib.dumps(content),
        install=(("launchctl", "enable", f"{target}/{LABEL}"), ("launchctl", "bootstrap", target, str(file))),
        remove=(("launchctl", "bootout", f"{target}/{LABEL}"),),
        tidy=(),
        status=("launchctl", "print", f"{target}/{LABEL}"),
        notes=("macOS may ask once whether Python may read your folders: allow it.",),
        refusals=(
            ("Domain does not support", "Log in at the screen of this Mac, not over the network, and run this again."),
        ),
    )


def _task(file: Path, command: Sequence[str], environment: Mapping[str, str], user: str) -> Service:
    program, *arguments = command
    lost = [name for name in environment if name.startswith(("STEM_BRIDGE_", "HF_"))]
    # Priority 7 is below normal. InteractiveToken: as the user who is logged in, without a stored password.
    text = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Stem Bridge: renders in watched folders become stems</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger><Enabled>true</Enabled><UserId>{escape(user)}</UserId></LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{escape(user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>5</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(subprocess.list2cmdline(arguments))}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
    return Service(
        file,
        text.encode("utf-16"),
        install=(
            ("schtasks", "/Create", "/TN", TASK, "/XML", str(file), "/F"),
            ("schtasks", "/Run", "/TN", TASK),
        ),
        remove=(("schtasks", "/End", "/TN", TASK), ("schtasks", "/Delete", "/TN", TASK, "/F")),
        tidy=(),
        status=("schtasks", "/Query", "/TN", TASK, "/V", "/FO", "LIST"),
        notes=tuple(f"A task does not see {name} of this window. To keep it: setx {name} VALUE" for name in lost),
    )


def install(service: Service, run: Runner, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Write the file and start the service; one that is there already is replaced. Raises ConfigError."""
    for command in service.remove:
        _ended(command, run, sleep)
    try:
        service.file.parent.mkdir(parents=True, exist_ok=True)
        service.file.write_bytes(service.content)
    except OSError as exc:
        raise ConfigError(
            f"{service.file} cannot be written: {reason_of(exc)}.",
            hint="Make its folder writable, and run this again.",
            path=service.file,
        ) from exc
    try:
        for command in service.install:
            _must(service, command, run(command))
    except ConfigError:
        # Nothing may start at the next login that could not be started now.
        service.file.unlink(missing_ok=True)
        raise


def remove(service: Service, run: Runner, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Stop the service and take it away; returns False when there was none. Raises ConfigError."""
    there = service.file.exists()
    ended = [_ended(command, run, sleep) for command in service.remove]
    try:
        service.file.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"{service.file} cannot be deleted: {reason_of(exc)}.", hint="Delete it yourself.", path=service.file
        ) from exc
    for command in service.tidy:
        run(command)
    if there and (failed := [(c, r) for c, r in zip(service.remove, ended, strict=True) if r.code]):
        command, ran = failed[-1]
        if command == service.remove[-1]:
            _must(service, command, ran)
    return there


def _ended(command: Sequence[str], run: Runner, sleep: Callable[[float], None]) -> Ran:
    """Stop the service, and wait for its end where the system does not."""
    ran = run(command)
    for _ in range(_STOP_SECONDS):
        if ran.code != _UNDER_WAY:
            return ran
        sleep(1.0)
        again = run(command)
        # Once it is gone there is nothing to stop, which is no fault.
        ran = again if again.code == _UNDER_WAY else Ran(0, ran.text)
    return ran


def status(service: Service, run: Runner) -> Ran | None:
    """Ask the system; None when the service is not installed. A code other than 0 means that it does not run."""
    return run(service.status) if service.file.exists() else None


def run_command(command: Sequence[str]) -> Ran:
    """Run one command of the system, without a shell; raises ConfigError when it is not there or hangs."""
    program = shutil.which(command[0])
    if program is None:
        raise ConfigError(
            f"{command[0]} is not on this computer.",
            hint="Without it there are no services; let your desktop start at login: stem-bridge watch",
        )
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_SECONDS,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigError(f"{' '.join(command)} did not answer: {exc}.", hint="Run it by hand to see why.") from exc
    return Ran(done.returncode, done.stdout.strip())


def _must(service: Service, command: Sequence[str], ran: Ran) -> None:
    if ran.code:
        line = subprocess.list2cmdline(command)
        said = ran.text.splitlines()[-1] if ran.text else f"exit code {ran.code}"
        hints = [hint for words, hint in service.refusals if words in ran.text]
        raise ConfigError(f"{line} failed: {said}", hint=hints[0] if hints else f"To see why it fails, run: {line}")
