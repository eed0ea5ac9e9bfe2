"""What is printed arrives, whatever the streams are; where it cannot, that is told or harmless, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

posix_only = pytest.mark.skipif(os.name == "nt", reason="bytes as names, /dev/full and closed streams of POSIX")

PRINT = """
import os, sys
from bridge.cli import output
from bridge.errors import BridgeError
output.prepare_streams()
try:
    output.say("a message")
    output.result(os.fsdecode(sys.argv[1]))
    output.event("done", drop=os.fsdecode(sys.argv[1]))
except BridgeError as exc:
    output.error(exc)
    sys.exit(2)
"""


def printed(name: bytes, redirect: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", f'exec "$0" "$@" {redirect}', sys.executable, "-c", PRINT, name]
    return subprocess.run(command, capture_output=True, env={**os.environ, **variables}, check=False)


@posix_only
@pytest.mark.parametrize("variables", [{}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_name_that_is_no_text_is_printed_byte_for_byte_and_no_encoding_stops_us(variables: dict[str, str]) -> None:
    assert printed(b"/odd/\xff\xfe.wav", **variables).stdout.splitlines()[0] == b"/odd/\xff\xfe.wav"
    ended = printed("/music/\N{EIGHTH NOTE}.wav".encode(), **variables)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()[0]
    assert said in ("/music/\N{EIGHTH NOTE}.wav".encode(), b"/music/\\u266a.wav")


@posix_only
@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full"])
def test_results_arrive_where_nobody_hears_the_messages(redirect: str) -> None:
    if "full" in redirect and not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    ended = printed(b"drop", redirect)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, b"drop")


@posix_only
def test_a_closed_stdout_is_harmless() -> None:
    ended = printed(b"drop", ">&-")
    assert (ended.returncode, ended.stderr) == (0, b"a message\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_stdout_is_one_error() -> None:
    ended = printed(b"drop", ">/dev/full")
    first, error, hint = ended.stderr.decode().splitlines()
    assert (ended.returncode, first) == (2, "a message")
    assert error.startswith("error: Cannot write to stdout: ")
    assert hint.strip()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["batch", "-h"], ["--version"], ["presets", "list"]])
def test_what_nobody_can_store_is_told_in_one_line_help_too(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "bridge", *arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    first, hint = ended.stderr.splitlines()
    assert first == "error: Cannot write to stdout: no space left on device."
    assert hint.strip()
