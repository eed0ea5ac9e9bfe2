"""Streams that are heard more than once: what has flowed lies in a file, so that no chain runs twice."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Literal

import numpy as np

from bridge.closing import Closing
from bridge.disk import disk_errors
from bridge.domain.stems import FloatArray
from bridge.effects.shared import Blocks
from bridge.errors import DestinationError

__all__ = ["Take", "Tape", "Tapes"]

Take = tuple[Literal["fed", "made"], str]
"""What the chain of a node is fed, or what it makes of that, before any gain of a target; and the key of the node."""

_PIECE_BYTES = 2 << 20
"""Written at once; a system takes large pieces in less than half the time that it takes for single blocks."""


class Tape:
    """One endless stream of equal blocks, (C, n) float32, recorded as it is first heard; all hear the same bits."""

    def __init__(self, blocks: Blocks, file: IO[bytes], folder: Path) -> None:
        self._blocks = blocks
        self._file = file
        self._folder = folder
        self._shape = (0, 0)
        self._recorded = 0
        self._position = 0
        """Of the file: to move in it, even to where it is, would write what it gathers."""

    def play(self) -> Blocks:
        """Return the stream from its first frame, to the same bits every time; players need not be in step."""
        number = 0
        while True:
            if number < self._recorded:
                yield self._read(number)
            else:
                block = next(self._blocks, None)
                if block is None:
                    return
                self._write(block)
                yield block
            number += 1

    def _write(self, block: FloatArray) -> None:
        sound = np.ascontiguousarray(block)
        self._shape = (sound.shape[0], sound.shape[1])
        with disk_errors("write to", self._folder):
            self._move(self._recorded * sound.nbytes)
            self._position += self._file.write(sound.data.cast("B"))
        self._recorded += 1

    def _read(self, number: int) -> FloatArray:
        size = 4 * self._shape[0] * self._shape[1]
        with disk_errors("read from", self._folder):
            self._move(number * size)
            content = self._file.read(size)
        self._position += len(content)
        if len(content) != size:
            raise DestinationError(
                f"What the effects had put aside in {self._folder} is not there any more.",
                hint="Check that the disk is connected and in order, or choose another outbox (--outbox).",
            )
        return np.frombuffer(content, np.float32).reshape(self._shape)

    def _move(self, position: int) -> None:
        if position != self._position:
            self._file.seek(position)
            self._position = position


class Tapes(Closing):
    """The tapes of one run, by what they hold. A context manager; leaving it removes their files."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: where the files lie, without names where the system can do that; None is the system's own."""
        self._folder = folder
        self._files = ExitStack()
        self._tapes: dict[Take, Tape] = {}

    def close(self) -> None:
        """Remove the files."""
        self._tapes.clear()
        # A full disk refuses what was still to be written; nobody wants it any more.
        with suppress(OSError):
            self._files.close()

    def record(self, name: Take, blocks: Blocks) -> None:
        """Put a stream on a new tape; nothing flows before it is played."""
        folder = self._folder or Path(tempfile.gettempdir())
        with disk_errors("write to", folder):
            # It ends with the others, in `close`.
            file = tempfile.TemporaryFile(dir=folder, buffering=_PIECE_BYTES)  # noqa: SIM115
        self._files.enter_context(file)
        self._tapes[name] = Tape(blocks, file, folder)

    def play(self, name: Take) -> Blocks | None:
        """Return a recorded stream from its first frame, or None."""
        tape = self._tapes.get(name)
        return None if tape is None else tape.play()
