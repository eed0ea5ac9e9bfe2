"""How good separated stems are, against the true ones: SDR, and how loud every true stem sounds in each of them."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from bridge.audio.read import open_sound
from bridge.domain.stems import FloatArray
from bridge.errors import ReadError
from bridge.units import gain_to_db
from bridge.words import reason_of

__all__ = ["Scores", "evaluate_folders", "score"]

Source: TypeAlias = "Path | FloatArray"
"""A stem: a sound file, or (channels, frames)."""
Scores = dict[str, dict[str, float]]
"""Stem name to its measures: `sdr_db`, and `<stem>_gain_db` for every reference."""

SUFFIXES = frozenset({".wav", ".w64", ".rf64", ".aif", ".aiff", ".flac", ".ogg", ".opus", ".mp3", ".m4a"})
STEM_WORDS = ("drums", "bass", "other", "vocals", "guitar", "piano", "instrumental")
MIX_WORDS = frozenset({"mix", "mixture"})
"""Names of files that hold the whole mix; they are not stems."""
BLOCK_FRAMES = 1 << 16
INAUDIBLE = 1e-9
"""A gain below this (-180 dB) is rounding, not sound."""


def score(references: Mapping[str, Source], estimates: Mapping[str, Source]) -> Scores:
    """Measure every stem that both sides have, in the order of `references`; files are read block by block.

    Each stem gets `sdr_db`, the signal-to-distortion ratio of the whole song in dB: 10 log10(sum(reference^2) /
    sum((reference - estimate)^2)) over channels and frames in float64. An exact estimate gives inf; a silent reference
    has no ratio and gives nan. This is the score of the Music Demixing Challenge 2021 (Mitsufuji et al., Frontiers in
    Signal Processing, 2022) without its small constant: level counts, and it is not the median over seconds of museval.

    It also gets, for every reference, `<stem>_gain_db`: how loud that true stem sounds in this estimate, 0 = as loud as
    in the mix, -inf = not at all; its own says how much of it arrived, the others what bleeds in. The gains are the
    least-squares fit of all references together, so stems that play the same notes are told apart; a silent reference
    has none (nan). Raises ReadError when no stem is on both sides, when rate, channels or length of any two differ, or
    when a sample is not a finite number.
    """
    names = list(references)
    scored = [name for name in names if name in estimates]
    if not scored:
        raise ReadError(
            f"No stem is on both sides: the references are {_listed(references)}, the estimates {_listed(estimates)}.",
            hint="Name the files by their stems, for example 'vocals.wav' or 'Song - Vocals.wav'.",
        )
    own = [names.index(name) for name in scored]
    power = np.zeros((len(names), len(names)))
    shared = np.zeros((len(scored), len(names)))
    error = np.zeros(len(scored))
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tracks = [_track(f"reference {name}", references[name], work, stack) for name in names]
        tracks += [_track(f"estimate {name}", estimates[name], work, stack) for name in scored]
        _check_alike(tracks)
        for sounds in zip(*(track.blocks for track in tracks), strict=True):
            flat = np.stack([sound.reshape(-1) for sound in sounds]).astype(np.float64)  # (S, C * T)
            true, guess = flat[: len(names)], flat[len(names) :]
            power += true @ true.T
            shared += guess @ true.T
            error += np.sum((true[own] - guess) ** 2, axis=1)
    if not (np.isfinite(power).all() and np.isfinite(error).all()):
        raise ReadError("A stem holds samples that are not finite numbers.", hint="Render or separate it again.")
    gains = np.linalg.lstsq(power, shared.T, rcond=None)[0].T
    return {
        name: {"sdr_db": _ratio_db(power[own[row], own[row]], error[row])}
        | {
            f"{other}_gain_db": _heard_db(float(gains[row, column])) if power[column, column] else math.nan
            for column, other in enumerate(names)
        }
        for row, name in enumerate(scored)
    }


def evaluate_folders(estimates: Path, references: Path) -> Scores:
    """Score the stems in one folder against the true ones in another; files meet by the stem in their names.

    `estimates` may be a drop: then its dry stems count where there are any, since effects are no mistakes of the
    separation. 'Song - Vocals.wav', 'vocals.ogg' and 'song_(Vocals)_model.flac' are all `vocals`; a file named mix or
    mixture is no stem. Raises ReadError as `score` does, and when a folder is missing or has two files for one stem.
    """
    found: dict[str, Path] = {}
    for folder in (estimates, estimates / "stems", estimates / "dry"):
        if folder == estimates or folder.is_dir():
            found |= _stem_files(folder)
    return score(_stem_files(references), found)


@dataclass(frozen=True, eq=False)
class _Track:
    """One open stem."""

    label: str
    sample_rate: int | None
    """An array does not say."""
    channels: int
    frames: int
    blocks: Iterator[FloatArray]


def _track(label: str, source: Source, work: Path, stack: ExitStack) -> _Track:
    if isinstance(source, Path):
        sound = stack.enter_context(open_sound(source, work))
        shape = sound.format
        return _Track(source.name, shape.sample_rate, shape.channels, shape.frames, sound.blocks(BLOCK_FRAMES))
    channels, frames = source.shape
    pieces = (source[:, start : start + BLOCK_FRAMES] for start in range(0, frames, BLOCK_FRAMES))
    return _Track(label, None, channels, frames, pieces)


def _check_alike(tracks: list[_Track]) -> None:
    first = tracks[0]
    for track in tracks[1:]:
        for what, here, there in (
            ("sample rate in Hz", track.sample_rate, first.sample_rate),
            ("number of channels", track.channels, first.channels),
            ("length in frames", track.frames, first.frames),
        ):
            if here != there and here is not None and there is not None:
                raise ReadError(
                    f"{track.label} and {first.label} differ in their {what}: {here} and {there}.",
                    hint="Compare stems of the same render, both at its own rate, channels and length.",
                )


def _stem_files(folder: Path) -> dict[str, Path]:
    hint = "Give a folder that holds one sound file a stem."
    try:
        inside = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ReadError(f"There is no folder {folder}.", hint=hint, path=folder) from exc
    except OSError as exc:
        raise ReadError(f"{folder} cannot be looked into: {reason_of(exc)}.", hint=hint, path=folder) from exc
    found: dict[str, Path] = {}
    for path in inside:
        stem = _stem_of(path.stem)
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or stem in MIX_WORDS or path.name.startswith("."):
            continue
        if stem in found:
            raise ReadError(
                f"{found[stem].name} and {path.name} are both named {stem}.",
                hint="Compare one song at a time, each in its own folder.",
                path=path,
            )
        found[stem] = path
    return found


def _stem_of(file_name: str) -> str:
    """Read the stem out of a file's name: the last stem word in its last part, else that part itself."""
    part = file_name.rpartition(" - ")[2].strip().lower()
    words = re.findall(rf"(?<![a-z])(?:{'|'.join(STEM_WORDS)})(?:-less)?(?![a-z])", part)
    return words[-1] if words else part


def _ratio_db(power: float, error: float) -> float:
    if not power:
        return math.nan
    return 10.0 * math.log10(power / error) if error else math.inf


def _heard_db(gain: float) -> float:
    if abs(gain) < INAUDIBLE:
        return -math.inf
    return round(gain_to_db(abs(gain)), 3) + 0.0  # no "-0.0" for a gain one rounding below 1


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
