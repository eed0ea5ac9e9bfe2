"""Which residual form is best: SDR of every stem when mix - sum(stems) goes to `other`, nowhere, or to all alike.

    python -m benchmarks.residual_forms [--model htdemucs_mini] [--cache FOLDER]

Needs Debian or Ubuntu (see `free_music.py`) and `fluidsynth`. Songs: the bundled demo, and ten General MIDI songs
played with the TimGM6mb SoundFont (the bundled model was trained on neither), with a voice over them: the synthetic one
of the tests, or the demo's. Each song is separated once by the installed command with `--residual drop`, which delivers
the raw estimates; the forms are computed from those. `stem` and `drop` deliver the same four stems, `stem` the residual
beside them. Plain SDR does not tell a stem that is too quiet (silence has 0 dB) from one that has others in it, so two
columns more speak of `other`: how loud the true one sounds in it (0 = as in the mix), and its scale-invariant SDR
(Le Roux et al. 2019), which a fader cannot change.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.free_music import ROLES, played, unpacked
from bridge.evaluate import score
from tests.songs import multitrack

Sound = npt.NDArray[np.float32]
Stems = dict[str, Sound]

STEMS = ("drums", "bass", "other", "vocals")
RATE = 44100
SECONDS = 20.0
START_SECONDS = 30.0
DEMO = Path(__file__).parent.parent / "bridge" / "shipped" / "demo"
SONGS = {
    "openttd-openmsx": (
        "busy_schedule",
        "careless_perc_redfarn",
        "flying_scotsman",
        "modern_motion",
        "say_what_redfarn",
        "ttsong_iii_imuh3",
    ),
    "planetblupi-music-midi": ("music000", "music001", "music002", "music008"),
}
"""Songs whose drums, bass and other are each within 14 dB of the sum in the stretch that is used."""
VOICE_BELOW_BAND_DB = 2.0


def songs(cache: Path) -> Iterator[tuple[str, Stems]]:
    """Yield every song with its true stems, peaking at 0.9."""
    yield "demo", {stem: soundfile.read(DEMO / f"{stem}.ogg", dtype="float32")[0].T for stem in STEMS}
    font = next(unpacked("timgm6mb-soundfont", cache).rglob("*.sf2"))
    frames = round(SECONDS * RATE)
    sung = soundfile.read(DEMO / "vocals.ogg", dtype="float32")[0].T[:, -frames:]
    names = [(package, name) for package, group in SONGS.items() for name in group]
    for number, (package, name) in enumerate(names):
        midi = next(unpacked(package, cache).rglob(f"{name}.mid"))
        stems = played(midi, font, start=START_SECONDS, seconds=SECONDS, sample_rate=RATE)
        band = np.sum([stems[role] for role in ROLES], axis=0)
        voice = sung if number % 2 else multitrack(SECONDS, RATE, seed=number)["vocals"]
        level = np.sqrt(np.mean(band**2) / np.mean(voice**2)) * 10 ** (-VOICE_BELOW_BAND_DB / 20)
        stems["vocals"] = voice * level
        gain = 0.9 / np.abs(np.sum(list(stems.values()), axis=0)).max()
        yield name, {stem: (sound * gain).astype(np.float32) for stem, sound in stems.items()}


def estimates(name: str, mix: Sound, model: str, folder: Path) -> Stems:
    """Let the installed command separate a mix; returns the network's raw estimates."""
    render = folder / f"{name}.wav"
    soundfile.write(render, mix.T, RATE, "FLOAT")
    command = [str(Path(sys.executable).with_name("stem-bridge")), "process", str(render), "-p", "clean", "-m", model]
    told = subprocess.run(
        [*command, "--residual", "drop", "-o", str(folder / "out"), "--json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    done = next(event for event in map(json.loads, told.splitlines()) if event["event"] == "done")
    files = {path.stem.rpartition(" - ")[2].lower(): path for path in (Path(done["drop"]) / "stems").glob("*.wav")}
    return {stem: soundfile.read(files[stem], dtype="float32", always_2d=True)[0].T for stem in STEMS}


def forms(mix: Sound, raw: Stems) -> dict[str, Stems]:
    """What each form would have delivered."""
    residual = mix - np.sum(list(raw.values()), axis=0)
    return {
        "other": {**raw, "other": raw["other"] + residual},
        "stem, drop": raw,
        "share": {stem: sound + residual / len(raw) for stem, sound in raw.items()},
    }


def si_sdr_db(true: Sound, made: Sound) -> float:
    """Scale-invariant SDR: the made stem against the true one at the level at which it fits best."""
    reference, estimate = true.astype(np.float64).ravel(), made.astype(np.float64).ravel()
    fitted = reference * (estimate @ reference) / (reference @ reference)
    return float(10 * np.log10((fitted @ fitted) / ((estimate - fitted) @ (estimate - fitted))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="htdemucs_mini")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "stem-bridge-free-music")
    options = parser.parse_args()
    table: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for song, true in songs(options.cache):
            mix = np.sum(list(true.values()), axis=0)
            made = {"the mix itself": dict.fromkeys(STEMS, mix)}
            made |= forms(mix, estimates(song, mix, options.model, Path(name)))
            for form, stems in made.items():
                scores = score(true, stems)
                row = [scores[stem]["sdr_db"] for stem in STEMS]
                row += [scores["other"]["other_gain_db"], si_sdr_db(true["other"], stems["other"])]
                table.setdefault(form, []).append(row)
                print(f"{song:24s} {form:15s}", *(f"{value:7.2f}" for value in row), flush=True)
    print(f"\nSDR in dB, mean (median) of {len(table['share'])} songs, {options.model}\n{'form':15s}", end="")
    print(*(f"{stem:>15s}" for stem in (*STEMS, "other's level", "other's SI-SDR", "SDR of all four")))
    for form, rows in table.items():
        columns = np.column_stack([rows, np.mean(np.array(rows)[:, : len(STEMS)], axis=1)])
        pairs = zip(columns.mean(axis=0), np.median(columns, axis=0), strict=True)
        print(f"{form:15s}", *(f"{mean:7.2f} ({median:5.2f})" for mean, median in pairs))


if __name__ == "__main__":
    main()
