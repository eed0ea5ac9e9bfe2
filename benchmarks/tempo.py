"""How often the tempo of drums is heard right: General MIDI songs and grooves, whose files say their tempo.

    python -m benchmarks.tempo [--grooves 80] [--separated 0] [--cache FOLDER]

Plays the drums alone of OpenTTD's and Planet Blupi's songs (see `free_music.py`), and of Freedoom's and MMA's grooves
where those are installed (see `training/parts.py`): half a minute of one tempo each. A song whose drums do not lie on
the beats that its own file says is left out (it was played freely, its tempo is a default), and so is one with fewer
than forty strokes. `--separated N` hears the drums of N songs as `htdemucs_mini` gives them from the mix too.

*right*: within 2 %. *level*: within 2 %, or twice, three times, half or a third as fast (MIREX' accuracy 2, at 2 %
instead of 4). *sure*: no other tempo is named, and how many of those are right. *one of both*: where another is named,
one of the two is right.
"""

from __future__ import annotations

import argparse
import io
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.free_music import DRUM_CHANNEL, played, unpacked
from bridge.domain.tempo import TempoMap
from bridge.effects.drums import heard_tempo
from bridge.errors import EffectError

RATE, SECONDS, LEAST_STROKES, ON_THE_BEAT = 44100, 30.0, 40, 0.5
LEVELS = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)


@dataclass(frozen=True)
class Drums:
    """A stereo sound that is read as the effects read a stem."""

    sound: npt.NDArray[np.float32]
    frames: int
    sample_rate: int = RATE

    def read(self, stem: str, start: int, frames: int) -> npt.NDArray[np.float32]:
        return self.sound[:, start : start + frames]


def songs(cache: Path, grooves: int) -> Iterator[tuple[str, mido.MidiFile]]:
    """Yield a set's name and a song."""
    from training import band, parts, tunes

    for package in ("openttd-openmsx", "planetblupi-music-midi"):
        for file in sorted(unpacked(package, cache).rglob("*.mid")):
            yield "songs", mido.MidiFile(file)
    if all(wad.is_file() for wad in parts.WADS):
        for data in tunes.tunes():
            yield "songs", mido.MidiFile(file=io.BytesIO(data))
    rng = random.Random(6)
    for _ in range(grooves if parts.GROOVES.is_dir() else 0):
        if score := band.compose(rng, SECONDS + 4.0, [rng.choice(parts.grooves())]):
            yield "grooves", score.song


def stretch(song: mido.MidiFile) -> tuple[float, float] | None:
    """Return where half a minute of one tempo starts and that tempo in BPM; None when there is none to be trusted."""
    now, tempos, strokes = 0.0, [], []
    for message in song:
        now += message.time
        if message.type == "set_tempo":
            tempos.append((now, mido.tempo2bpm(message.tempo)))
        elif message.type == "note_on" and message.velocity and message.channel == DRUM_CHANNEL:
            strokes.append(now)
    for start in (20.0, 10.0, 0.0, 40.0, 60.0):
        inside = np.array([at for at in strokes if start <= at < start + SECONDS])
        before = [bpm for at, bpm in tempos if at <= start]
        steady = all(bpm == before[-1] for at, bpm in tempos if start < at < start + SECONDS) if before else False
        if steady and inside.size >= LEAST_STROKES and np.ptp(inside) > SECONDS - 5.0:
            turns = inside * before[-1] / 60.0
            nearest = max(abs(np.exp(2j * np.pi * turns * parts).mean()) for parts in (2, 3, 4, 6))
            return (start, before[-1]) if nearest >= ON_THE_BEAT else None
    return None


def separated(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the drums that the bundled model finds in a mix."""
    with tempfile.TemporaryDirectory() as name:
        soundfile.write(Path(name) / "mix.wav", sound.T, RATE, subtype="FLOAT")
        command = [
            sys.executable,
            "-m",
            "bridge",
            "process",
            "mix.wav",
            "-m",
            "htdemucs_mini",
            "-o",
            "out",
            "--stems",
            "drums",
        ]
        subprocess.run(command, cwd=name, check=True, capture_output=True)
        file = next(one for one in Path(name, "out").rglob("*.wav") if "Drums" in one.name)
        return soundfile.read(file, dtype="float32", always_2d=True)[0].T


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--grooves", type=int, default=80)
    options.add_argument("--separated", type=int, default=0)
    options.add_argument("--cache", type=Path, default=Path("/tmp/stem-bridge-free-music"))
    given = options.parse_args()
    font = next(unpacked("timgm6mb-soundfont", given.cache).rglob("*.sf2"))
    found: dict[str, list[tuple[bool, bool, bool, bool]]] = {}
    spent = 0.0
    with tempfile.TemporaryDirectory() as name:
        midi = Path(name) / "song.mid"
        for kind, song in songs(given.cache, given.grooves):
            if (place := stretch(song)) is None:
                continue
            song.save(midi)
            stems = played(midi, font, start=place[0], seconds=SECONDS)
            heard = {kind: stems["drums"]}
            if kind == "songs" and len(found.get("separated", ())) < given.separated:
                heard["separated"] = separated(np.asarray(sum(stems.values()), dtype=np.float32))
            for where, sound in heard.items():
                begun = time.process_time()
                found.setdefault(where, []).append(judged(Drums(sound, sound.shape[1]), place[1]))
                spent += time.process_time() - begun
    for kind, rows in found.items():
        right, level, sure, either = np.array(rows).T
        print(
            f"{kind}: {len(rows)} pieces; right {right.mean():.0%}, level {level.mean():.0%}; sure {sure.mean():.0%}, "
            f"right of those {right[sure].mean():.0%}, one of both in the others {either[~sure].mean():.0%}"
        )
    print(f"CPU seconds for a minute of sound: {spent * 60 / SECONDS / sum(map(len, found.values())):.2f}")


def judged(drums: Drums, bpm: float) -> tuple[bool, bool, bool, bool]:
    """Return whether the tempo heard is right, right but for its level, beyond doubt, and one of two right."""
    try:
        tempo: TempoMap = heard_tempo(drums, "drums")
    except EffectError:
        return False, False, False, False
    near = [abs(tempo.changes[0].bpm / (bpm * level) - 1) <= 0.02 for level in LEVELS]
    other = tempo.other_bpm is not None and abs(tempo.other_bpm / bpm - 1) <= 0.02
    return near[0], any(near), tempo.other_bpm is None, near[0] or other


if __name__ == "__main__":
    main()
