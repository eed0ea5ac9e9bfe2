"""Effects that are arithmetic: stereo width, fades, steep filters, echoes that follow the tempo.

Distortion and most Delays are here because they are many times quicker so than in Pedalboard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Literal

import numpy as np

from bridge.audio.sections import Butterworth
from bridge.domain.preset import Effect, Step
from bridge.domain.stems import FloatArray
from bridge.effects.builtin import held_below_nyquist
from bridge.effects.channels import channel_sets
from bridge.effects.place import Place, Process
from bridge.effects.tempo import Stretch
from bridge.presets.catalog import EFFECTS
from bridge.units import db_to_gain, seconds_to_frames

__all__ = ["distortion", "fade", "following_delay", "is_quicker_here", "is_steep", "steep_filters", "stereo_width"]

_KINDS: dict[str, Literal["highpass", "lowpass"]] = {"HighpassFilter": "highpass", "LowpassFilter": "lowpass"}
_CROSSFADE_SECONDS = 0.03
"""How long echoes take from one time to the next."""
_QUICK_DELAY_FRAMES = range(2048, 65_537)
"""Shorter ones are cut into too many pieces, longer ones move too much of what they remember."""


def stereo_width(effect: Effect, place: Place) -> Process:
    """Make what scales the difference of every pair of channels; other channels are left alone."""
    sets = [rows for rows in channel_sets(place.channels, 2) if rows.stop - rows.start == 2]
    half = np.float32((float(effect.parameters["width"]) - 1.0) / 2.0)

    def widen(block: FloatArray) -> FloatArray:
        out = block.copy()
        for rows in sets:
            left, right = block[rows]
            side = (left - right) * half
            out[rows] = left + side, right - side
        return out  # (C, n)

    return widen


def is_steep(step: Step) -> bool:
    """Say whether a step is a filter of more than 6 dB per octave, without a dry share."""
    if not isinstance(step, Effect) or step.name not in _KINDS or step.wet != 1.0:
        return False
    return float(step.parameters.get("slope_db", 6.0)) > 6.0


def steep_filters(effects: Sequence[Effect], place: Place) -> Process:
    """Make one or more HighpassFilters and LowpassFilters of more than 6 dB per octave, one after the other."""
    return reduce(Butterworth.then, (_steep(effect, place) for effect in effects)).process


def _steep(effect: Effect, place: Place) -> Butterworth:
    order = round(float(effect.parameters["slope_db"]) / 6.0)
    cutoff_hz = held_below_nyquist(float(effect.parameters["cutoff_frequency_hz"]), place.sample_rate)
    return Butterworth(_KINDS[effect.name], order, cutoff_hz, place.sample_rate, place.channels)


def distortion(effect: Effect, place: Place) -> Process:
    """Make tanh(x * drive): Pedalboard's Distortion to within the rounding of its tanh (4 steps of float32), in a
    twentieth of the time. Deterministic on one kind of processor, as NumPy's tanh is."""
    drive_db = effect.parameters.get("drive_db", EFFECTS["Distortion"].parameters["drive_db"].default)
    drive = np.float32(db_to_gain(float(drive_db or 0.0)))

    def distorted(block: FloatArray) -> FloatArray:
        driven = block * drive
        out: FloatArray = np.tanh(driven, out=driven)
        return out  # (C, n)

    return distorted


def is_quicker_here(effect: Effect, place: Place) -> bool:
    """Say whether `following_delay` makes this Delay of one time several times quicker than Pedalboard, bit for bit."""
    return _delay_frames(effect, place) in _QUICK_DELAY_FRAMES


def _delay_frames(effect: Effect, place: Place) -> int:
    return int(float(np.float32(effect.parameters["delay_seconds"])) * place.sample_rate)


def fade(effect: Effect, place: Place) -> Process:
    """Make a fade-in from the render's first frame and a fade-out to its last."""
    shape = str(effect.parameters.get("shape", "cosine"))
    rising = seconds_to_frames(float(effect.parameters.get("in_seconds", 0.0)), place.sample_rate)
    falling = seconds_to_frames(float(effect.parameters.get("out_seconds", 0.0)), place.sample_rate)
    position = 0

    def faded(block: FloatArray) -> FloatArray:
        nonlocal position
        frames = np.arange(position, position + block.shape[1])
        position += block.shape[1]
        gain = np.ones(block.shape[1])
        if rising:
            gain *= _curve(frames / rising, shape)
        if falling:
            gain *= _curve((place.frames - 1 - frames) / falling, shape)
        return block * gain.astype(np.float32)  # (C, n)

    return faded


def _curve(
    share: np.ndarray[tuple[int], np.dtype[np.float64]], shape: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    share = np.clip(share, 0.0, 1.0)
    if shape == "linear":
        return share
    return np.sin(share * math.pi / 2.0) if shape == "sine" else (1.0 - np.cos(share * math.pi)) / 2.0


def following_delay(stretches: Sequence[Stretch], place: Place) -> Process:
    """Make a Delay. Where its time changes, a second reading head at the new time is faded in, so that nothing clicks.

    In a stretch it does what Pedalboard's Delay does, bit for bit.
    """
    first = stretches[0].effect.parameters
    feedback, mix = np.float32(first.get("feedback", 0.0)), np.float32(first.get("mix", 0.5))
    delays = [_delay_frames(one.effect, place) for one in stretches]
    starts = [one.start for one in stretches]
    fade_frames = seconds_to_frames(_CROSSFADE_SECONDS, place.sample_rate)
    longest = max(delays)
    past = np.zeros((place.channels, longest), np.float32)
    position, number = 0, 0

    def process(block: FloatArray) -> FloatArray:
        nonlocal past, position, number
        frames = block.shape[1]
        line = np.concatenate([past, block], axis=1)  # (C, longest + n): input, on which the echoes are laid
        out = block * (np.float32(1.0) - mix)
        at = 0
        while at < frames:
            now = position + at
            while number + 1 < len(starts) and starts[number + 1] <= now:
                number += 1
            heads = [delays[number]]
            end = starts[number + 1] - position if number + 1 < len(starts) else frames
            age = now - starts[number]
            if number and age < fade_frames:
                heads.append(delays[number - 1])
                end = min(end, at + fade_frames - age)
            end = min(end, frames, at + min(heads))
            read = [line[:, longest + at - head : longest + end - head] for head in heads]
            echo = read[0]
            if len(read) == 2:
                share = ((np.arange(age, age + end - at) + 1) / fade_frames).astype(np.float32)
                echo = read[0] * share + read[1] * (np.float32(1.0) - share)
            out[:, at:end] += echo * mix
            line[:, longest + at : longest + end] += echo * feedback
            at = end
        position += frames
        past = np.ascontiguousarray(line[:, frames:])
        return out  # (C, n)

    return process
