"""How often the tempo of drums is heard right: General MIDI songs and grooves, whose files say their tempo.

    python -m benchmarks.tempo [--separated 0] [--cache FOLDER]

Plays the drums alone of the songs and grooves that are held out from the fit of the weights (see `tempo_pieces.py`).
`--separated N` hears the drums of N songs as `htdemucs_mini` gives them from the mix too.

*right*: within 2 %. *level*: within 2 %, or twice, three times, half or a third as fast (MIREX' accuracy 2, at 2 %
instead of 4). *sure*: no other tempo is named, and how many of those are right. *one of both*: where another is named,
one of the two is right.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.tempo_pieces import RATE, SECONDS, Drums, pieces
from bridge.domain.tempo import TempoMap
from bridge.effects.drums import heard_tempo
from bridge.errors import EffectError

LEVELS = (1.0, 2.0, 3.0, 1 / 2, 1 / 3)
SEPARATE = ("process", "mix.wav", "-m", "htdemucs_mini", "-o", "out", "--stems", "drums")


def separated(sound: npt.NDArray[np.float32]) -> Drums:
    """Return the drums that the bundled model finds in a mix."""
    with tempfile.TemporaryDirectory() as name:
        soundfile.write(Path(name) / "mix.wav", sound.T, RATE, subtype="FLOAT")
        subprocess.run([sys.executable, "-m", "bridge", *SEPARATE], cwd=name, check=True, capture_output=True)
        file = next(one for one in Path(name, "out").rglob("*.wav") if "Drums" in one.name)
        found = soundfile.read(file, dtype="float32", always_2d=True)[0].T
        return Drums(found, found.shape[1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--separated", type=int, default=0)
    options.add_argument("--cache", type=Path, default=Path("/tmp/stem-bridge-free-music"))
    given = options.parse_args()
    found: dict[str, list[tuple[bool, bool, bool, bool]]] = {}
    spent = 0.0
    for piece in pieces(given.cache, held_out=True):
        heard = {piece.kind: piece.drums(given.cache)}
        if piece.kind == "songs" and len(found.get("separated", ())) < given.separated:
            heard["separated"] = separated(np.asarray(sum(piece.stems().values()), dtype=np.float32))
        for where, drums in heard.items():
            begun = time.process_time()
            found.setdefault(where, []).append(judged(drums, piece.bpm))
            spent += time.process_time() - begun
    for kind, rows in found.items():
        right, level, sure, either = np.array(rows).T
        print(f"{kind}: {len(rows)} pieces; right {right.mean():.0%}, level {level.mean():.0%}; sure {sure.mean():.0%}")
        if sure.any():
            print(f"  right of the sure ones {right[sure].mean():.0%}")
        if not sure.all():
            print(f"  one of both in the others {either[~sure].mean():.0%}")
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
