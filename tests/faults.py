"""Faults by real means: limits the system itself enforces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["files_no_larger_than"]


@contextmanager
def files_no_larger_than(limit_bytes: int) -> Iterator[None]:
    """Make every write beyond `limit_bytes` of any file fail, as on a full disk. POSIX only."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
