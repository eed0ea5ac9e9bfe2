"""The pipes of a child process to its parent, kept from everything else that runs in it."""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["own_pipes"]


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take both pipes to the parent; leave an empty input, and standard error as output, to everybody else.

    So no library and no plugin that prints can spoil a message. And on Windows, where a look at a pipe waits for the
    read that is under way on it, one that looks at its standard input while it is loaded (as BLAS does) would never
    come back.
    """
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return incoming, outgoing
