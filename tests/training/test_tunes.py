"""Songs that people wrote are found in their archive, and their key is heard."""

from __future__ import annotations

import struct

import mido
import pytest

from training.tunes import key_of, lumps

MAJOR = (0, 2, 4, 5, 7, 9, 11)


def wad(*contents: bytes) -> bytes:
    """A WAD file with one entry for each content."""
    body = b"".join(contents)
    starts = [12 + len(b"".join(contents[:number])) for number in range(len(contents))]
    entries = (struct.pack("<ii8s", start, len(one), b"LUMP") for start, one in zip(starts, contents, strict=True))
    return struct.pack("<4sii", b"IWAD", len(contents), 12 + len(body)) + body + b"".join(entries)


def test_every_entry_of_an_archive_comes_out_whole() -> None:
    assert lumps(wad(b"MThd one", b"", b"a picture")) == [b"MThd one", b"", b"a picture"]


@pytest.mark.parametrize("tonic", range(12))
def test_the_key_is_the_scale_of_the_notes_and_drums_have_no_say(tonic: int) -> None:
    track = mido.MidiTrack(
        mido.Message("note_on", note=48 + tonic + step, velocity=90, time=100) for step in (*MAJOR, 0, 4, 7)
    )
    track.extend(mido.Message("note_on", channel=9, note=note, velocity=90, time=10) for note in range(35, 82))
    song = mido.MidiFile()
    song.tracks.append(track)
    assert key_of(song) == tonic
