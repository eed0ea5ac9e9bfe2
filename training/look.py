"""Do the mixes that training hears look like music? A table and a picture.

    pip install matplotlib
    python -m training.look POOL OUT.png [--mixes 80] [--seconds 20] [--real FOLDER] [--newest COUNT]

Draws mixes as training does and measures each; prints medians with the quartiles around them. --real measures recorded
music (every .ogg, .flac, .wav or .mp3 below a folder, a stretch from its middle) with the same code, as the
yardstick that is at hand. Published figures that the table names:

- spectrum: falls by about 5 dB an octave between 100 Hz and 4 kHz, faster above (Pestana, Ma, Reiss, Barbosa, Black:
  "Spectral characteristics of popular commercial recordings 1950-2010", AES 135, 2013; the same shape in Elowsson and
  Friberg, AES 142, 2017);
- voice over accompaniment: about +1 dB since 1975; above 0 in pop, rap and country, about 0 in rock, below in metal
  (Gerdes and Siedenburg, JASA Express Letters 3, 043201, 2023).

Spectra are densities (per Hz), averaged in third octaves; levels of stems are integrated loudness (BS.1770-4).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from matplotlib import pyplot as plt
from scipy.signal import welch

from training.pool import STEMS, Pool
from training.residual import loudness

RATE = 44100
SUFFIXES = {".ogg", ".flac", ".wav", ".mp3"}
WINDOW = 8192
CENTRES = 1000 * 2 ** (np.arange(-15, 13) / 3)
"""Third octaves from 31 Hz to 16 kHz."""
SLOPES = {"100 Hz to 4 kHz": (100, 4000), "4 to 14 kHz": (4000, 14000)}
PUBLISHED = {"slope 100 Hz to 4 kHz, dB/octave": "-5", "slope 4 to 14 kHz, dB/octave": "steeper", "voice, LU": "+1"}
QUIET_SECONDS = 0.1
QUIET_DB = -40.0
"""A tenth of a second that is so far below the loudest one of its stem counts as silence."""
COLOURS = {"drums": "#d95f02", "bass": "#7570b3", "other": "#1b9e77", "vocals": "#e7298a"}
Sound = npt.NDArray[np.float32]
"""(2, frames)"""
Row = dict[str, float]


def main() -> None:
    """Measure, print, draw."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pool", type=Path)
    options.add_argument("out", type=Path)
    options.add_argument("--mixes", type=int, default=80)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--real", type=Path)
    options.add_argument("--newest", type=int, default=0, help="only the songs that came last to the pool")
    given = options.parse_args()
    pool = Pool(given.pool)
    if given.newest:
        pool.songs = pool.songs[-given.newest :]
    rng = random.Random(0)
    frames = round(given.seconds * RATE)
    drawn = [pool.example(rng, frames) for _ in range(given.mixes)]
    made = [measured(stems.sum(axis=0)) | balance(dict(zip(STEMS, stems, strict=True))) for stems in drawn]
    real = [measured(sound) for sound in recordings(given.real, given.seconds)] if given.real else []
    print(table(made, real))
    draw(given.out, drawn, made, list(recordings(given.real, given.seconds)) if given.real else [])


def measured(mix: Sound) -> Row:
    """Measure one mix: slopes in dB an octave, crest factor in dB, loudness in LUFS at full scale, width in dB."""
    peak = float(np.abs(mix).max())
    if peak < 1e-4:
        return {}
    levels = spectrum_db(mix)
    row = {}
    for name, (low, high) in SLOPES.items():
        inside = (low * 0.99 <= CENTRES) & (high * 1.01 >= CENTRES)
        row[f"slope {name}, dB/octave"] = float(np.polyfit(np.log2(CENTRES[inside]), levels[inside], 1)[0])
    row["crest factor, dB"] = 20 * float(np.log10(peak / np.sqrt(np.mean(mix**2))))
    row["loudness at peak 0 dB, LUFS"] = loudness(mix / peak)
    middle, side = mix.mean(axis=0), (mix[0] - mix[1]) / 2
    row["side under middle, dB"] = 10 * float(np.log10((np.mean(side**2) + 1e-12) / (np.mean(middle**2) + 1e-12)))
    return row


def balance(stems: dict[str, Sound]) -> Row:
    """Measure how the stems of one mix stand to each other: loudness re the mix in LU, silence as a share of time."""
    row: Row = {}
    mix = np.sum(list(stems.values()), axis=0)
    if np.abs(mix).max() < 1e-4:
        return row
    whole = loudness(mix)
    for stem, sound in stems.items():
        if np.abs(sound).max() > 1e-4:
            row[f"{stem} re mix, LU"] = loudness(sound) - whole
            row[f"{stem} silent, % of time"] = 100 * float(np.mean(~sounding(sound)))
    rest = mix - stems["vocals"]
    sings = np.repeat(sounding(stems["vocals"]), round(QUIET_SECONDS * RATE)) if np.abs(rest).max() > 1e-4 else []
    if np.any(sings):
        heard = slice(0, len(sings))
        row["voice, LU"] = loudness(stems["vocals"][:, heard][:, sings]) - loudness(rest[:, heard][:, sings])
    return row


def sounding(sound: Sound) -> npt.NDArray[np.bool_]:
    """Tell for every tenth of a second whether there is sound."""
    size = round(QUIET_SECONDS * RATE)
    power = np.mean(sound[:, : sound.shape[1] // size * size].reshape(2, -1, size) ** 2, axis=(0, 2))
    return np.asarray(power > max(float(power.max()), 1e-8) * 10 ** (QUIET_DB / 10))


def spectrum_db(sound: Sound) -> npt.NDArray[np.float64]:
    """Return the long-term average spectrum at CENTRES, dB per Hz, 0 at the loudest."""
    hertz, power = welch(sound, RATE, nperseg=WINDOW)
    edges = 2 ** (1 / 6)
    density = power.mean(axis=0)
    bands = [density[(hertz >= one / edges) & (hertz < one * edges)] for one in CENTRES]
    levels = 10 * np.log10([float(band.mean()) + 1e-20 if len(band) else np.nan for band in bands])
    return np.asarray(levels - np.nanmax(levels))


def recordings(folder: Path, seconds: float) -> Iterator[Sound]:
    """Yield a stretch from the middle of every stereo recording that is long enough."""
    for path in sorted(one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES):
        about = soundfile.info(path)
        if about.duration > 2 * seconds and about.channels == 2 and about.samplerate >= RATE:
            start = int((about.duration - seconds) / 2 * about.samplerate)
            sound, _ = soundfile.read(path, start=start, frames=round(seconds * about.samplerate), dtype="float32")
            yield soxr.resample(sound, about.samplerate, RATE).T


def table(made: list[Row], real: list[Row]) -> str:
    """Write one line a measure: median and quartiles of the mixes, of recorded music, and what was published."""
    names = list(dict.fromkeys(name for row in made for name in row))
    lines = [f"| {'measure':34} | {'mixes':>22} | {'recorded music':>22} | published |", f"|{'---|' * 4}"]
    for name in names:
        lines.append(f"| {name:34} | {_spread(made, name)} | {_spread(real, name)} | {PUBLISHED.get(name, ''):9} |")
    return "\n".join(lines)


def _spread(rows: list[Row], name: str) -> str:
    values = [row[name] for row in rows if np.isfinite(row.get(name, np.nan))]
    if not values:
        return f"{'':22}"
    low, median, high = np.percentile(values, (25, 50, 75))
    return f"{median:6.1f} ({low:5.1f} to {high:5.1f})"


def draw(out: Path, drawn: list[npt.NDArray[np.float32]], made: list[Row], real: list[Sound]) -> None:
    """Draw spectra of mixes and stems, and the balance of the stems."""
    mpl.use("Agg")
    figure, ((left, right), (levels, quiet)) = plt.subplots(2, 2, figsize=(13, 9), constrained_layout=True)
    _spectra(left, "mixes", [stems.sum(axis=0) for stems in drawn], "black")
    if real:
        _spectra(left, "recorded music", real, "tab:blue")
    line = -5 * np.log2(CENTRES / 100)
    inside = (CENTRES >= 99) & (CENTRES <= 4040)
    left.plot(CENTRES[inside], line[inside] - 5, "r--", label="-5 dB an octave (Pestana et al., 2013)")
    for row, stem in enumerate(STEMS):
        _spectra(right, stem, [stems[row] for stems in drawn if np.abs(stems[row]).max() > 1e-4], COLOURS[stem])
    for axes, title in ((left, "Spectrum of the mixes"), (right, "Spectrum of the stems")):
        axes.set(title=title, xscale="log", xlabel="Hz", ylabel="dB per Hz, loudest third octave = 0", ylim=(-80, 5))
        axes.legend()
        axes.grid(alpha=0.3)
    lower = ((levels, " re mix, LU", "Loudness of stems re mix"), (quiet, " silent, % of time", "Silence"))
    for axes, suffix, title in lower:
        columns = [
            [row[stem + suffix] for row in made if np.isfinite(row.get(stem + suffix, np.nan))] for stem in STEMS
        ]
        axes.boxplot(columns, tick_labels=STEMS, whis=(5, 95), showfliers=False)
        axes.set(title=title, ylabel=suffix.removeprefix(" ").split(", ")[1])
        axes.grid(alpha=0.3, axis="y")
    figure.savefig(out, dpi=80)


def _spectra(axes: plt.Axes, name: str, sounds: list[Sound], colour: str) -> None:
    levels = np.array([spectrum_db(sound) for sound in sounds if np.abs(sound).max() > 1e-4])
    low, median, high = np.nanpercentile(levels, (25, 50, 75), axis=0)
    axes.plot(CENTRES, median, color=colour, label=name)
    axes.fill_between(CENTRES, low, high, color=colour, alpha=0.15)


if __name__ == "__main__":
    main()
