"""The parent's side of a cage: one child process that holds one plugin, believed only as far as it proves.

A plugin is code of somebody else in our address space: it may crash, hang, leave with exit(0), print without end, take
all memory or return nonsense. So it lives in a process of its own, below the worker, and here nothing is taken for
granted: every answer carries a secret of this cage and the number of its question, every question has a time limit,
and the end of the pipe is the end of the plugin. Sound crosses in a memory-mapped file, in a folder only we can enter.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from bridge.closing import Closing
from bridge.disk import disk_errors
from bridge.domain.stems import FloatArray
from bridge.errors import WorkerError
from bridge.programs import NO_WINDOW, group_of_its_own, python
from bridge.words import plain, reason_of

__all__ = ["Broken", "Cage", "Refused"]

_COMMAND, _VARIABLES = python("bridge.effects.plugins.cage")
_MOST_LINE_BYTES = 8 << 20
"""A shell with hundreds of plugins, or a plugin with thousands of parameters, says much."""
_LOG_TAIL_BYTES = 2000
_END_SECONDS = 2.0
_SOUND = "sound"


class Broken(Exception):  # noqa: N818 - an end, told in the words of the plugin's step by whoever used the cage
    """Raised when a plugin crashed, hung, left, or answered nonsense; the text completes 'the plugin ...'."""


class Refused(Exception):  # noqa: N818 - as above
    """Raised when a plugin is well and cannot do what was asked: text and hint are sentences."""

    def __init__(self, message: str, hint: str, *, absent: bool = False) -> None:
        """`absent`: it cannot be loaded at all, as if it were not there."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.absent = absent


class Cage(Closing):
    """A process for one plugin. A context manager; leaving it ends the process and all that it started.

    Raises NoSpaceError or DestinationError without a place for temporary files, WorkerError without a process.
    """

    def __init__(self, *, memory_bytes: int, command: tuple[str, ...] = _COMMAND) -> None:
        self._nonce = secrets.token_hex(16)
        self._number = 0
        self._tail = b""
        self._sound: np.memmap[Any, np.dtype[np.float32]] | None = None
        with disk_errors("make a folder in", Path(tempfile.gettempdir())):
            self.folder = Path(tempfile.mkdtemp(prefix="stem-bridge-cage-"))
        """The plugin's working folder, and where it leaves its state; removed with the cage."""
        try:
            self._process = subprocess.Popen(
                [*command, str(memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                env={**os.environ, **_VARIABLES},
                **group_of_its_own(),
            )
        except OSError as exc:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise WorkerError(
                f"No process could be started for a plugin: {reason_of(exc)}.",
                hint="Close other programs, or allow more processes or memory, and try again.",
            ) from exc
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._answers: queue.SimpleQueue[dict[str, Any] | str] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=target, args=(pipe,), name="plugin-reader", daemon=True)
            for target, pipe in ((self._listen, self._process.stdout), (self._drain, self._process.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def share_sound(self, channels: int, frames: int) -> None:
        """Make the memory that `play` fills: two blocks of (channels, frames), there and back.

        Raises NoSpaceError, DestinationError.
        """
        file = self.folder / _SOUND
        with disk_errors("write to", file):
            # Written, not only sized: on a disk that fills up, memory that has no place there kills whoever touches it.
            file.write_bytes(bytes(2 * channels * frames * np.dtype(np.float32).itemsize))
            self._sound = np.memmap(file, np.float32, "r+", shape=(2, channels, frames))  # (2, C, T)

    def ask(self, what: str, seconds: float, **details: object) -> dict[str, Any]:
        """Ask for something and return the answer.

        Raises Refused when the plugin cannot, Broken when it gives no answer within `seconds`, or none that is one.
        """
        self._number += 1
        question = {"do": what, "nonce": self._nonce, "number": self._number, "seconds": seconds, **details}
        assert self._process.stdin is not None
        with suppress(OSError):  # it is gone, and the end of its answers says how
            self._process.stdin.write(json.dumps(question).encode("ascii") + b"\n")
            self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise Broken(f"gave no answer for {seconds:g} s") from None
        if isinstance(answer, str):
            raise Broken(answer or self._end())
        if answer.get("nonce") != self._nonce or answer.get("number") != self._number:
            raise Broken("sent an answer to nothing that was asked")
        if answer.get("is") == "refused":
            raise Refused(
                str(answer.get("message"))[:2000], str(answer.get("hint"))[:2000], absent=answer.get("absent") is True
            )
        if answer.get("is") == "memory":
            raise Broken("took more memory than it may")
        if answer.get("is") != "done":
            raise Broken("sent an answer that means nothing")
        return answer

    def play(self, block: FloatArray, seconds: float) -> FloatArray:
        """Send a block, (C, n), and return what comes back, (C, m): m <= n, the rest comes with later blocks.

        Raises Broken when what comes back has another shape.
        """
        assert self._sound is not None
        frames = block.shape[1]
        self._sound[0, :, :frames] = block
        given = self.ask("play", seconds, frames=frames).get("frames")
        if type(given) is not int or not 0 <= given <= frames:
            raise Broken(f"gave {given} frames for {frames}")
        return np.array(self._sound[1, :, :given])  # (C, m)

    def perform(self, messages: Sequence[tuple[int, bytes]], frames: int, seconds: float) -> FloatArray:
        """Send MIDI messages, each with its frame, and return the sound of an instrument, (C, frames).

        Raises Broken when what comes back has another length.
        """
        assert self._sound is not None
        said = [(frame, message.hex()) for frame, message in messages]
        given = self.ask("perform", seconds, frames=frames, messages=said).get("frames")
        if given != frames:
            raise Broken(f"gave {given} frames for {frames}")
        return np.array(self._sound[1, :, :frames])  # (C, frames)

    @property
    def sound_channels(self) -> int:
        """Return how many channels a block has."""
        assert self._sound is not None
        return int(self._sound.shape[1])

    def log_tail(self) -> str:
        """Return the last line of what the plugin printed, or nothing."""
        lines = self._tail.decode("utf-8", "replace").strip().splitlines()
        return plain(lines[-1][:200]) if lines else ""

    def close(self) -> None:
        """End the process, at once, with all that it started; what it was working on is not wanted any more."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(OSError):  # unsent bytes for a dead child
                self._process.stdin.close()
        self._kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(_END_SECONDS)
        for pipe in (self._process.stdout, self._process.stderr):
            # One that a runaway of the plugin still holds is left to its reader, which may not be waited for.
            if pipe is not None and not any(thread.is_alive() for thread in self._threads):
                pipe.close()
        self._sound = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill(self) -> None:
        if sys.platform == "win32":
            if self._process.poll() is None:
                subprocess.run(
                    ["taskkill", "/F", "/T", "/PID", str(self._process.pid)],
                    capture_output=True,
                    check=False,
                    creationflags=NO_WINDOW,
                )
                self._process.kill()
        else:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                # All of the group are gone; macOS says so by refusing.
                self._process.kill()

    def _end(self) -> str:
        """Say how the process ended."""
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its pipe and did not end"
        # Windows gives its reasons as large numbers that are known in hexadecimal.
        why = f"signal {-code}" if code < 0 else f"exit code {code:#x}" if code > 255 else f"exit code {code}"
        self._threads[1].join(_END_SECONDS)
        last = self.log_tail()
        return f"ended by itself ({why})" + (f"; its last words: {last}" if last else "")

    def _listen(self, pipe: IO[bytes]) -> None:
        """Pass on answers; one that is none ends the listening, so that garbage fills no memory."""
        try:
            while line := pipe.readline(_MOST_LINE_BYTES):
                answer = json.loads(line)
                if not isinstance(answer, dict):
                    raise ValueError
                self._answers.put(_plain(answer))
            self._answers.put("")
        except (ValueError, RecursionError):
            self._answers.put("wrote garbage where answers go")
            while pipe.read(1 << 16):
                pass

    def _drain(self, pipe: IO[bytes]) -> None:
        """Take whatever is printed and keep the end of it."""
        while printed := os.read(pipe.fileno(), 1 << 16):
            self._tail = (self._tail + printed)[-_LOG_TAIL_BYTES:]


def _plain(value: Any) -> Any:
    """Make every text of an answer one that a screen may show: a plugin names itself and its parameters as it likes."""
    if isinstance(value, dict):
        return {plain(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return plain(value) if isinstance(value, str) else value
