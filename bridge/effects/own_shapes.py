"""Small effects of our own, all arithmetic: stereo width, fades, steep filters, and echoes that follow the tempo."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bridge.audio.sections import Butterworth
from bridge.domain.preset import Effect
from bridge.domain.stems import FloatArray
from bridge.effects.builtin import held_below_nyquist
from bridge.effects.channels import channel_sets
from bridge.effects.place import Place, Process
from bridge.effects.tempo import Stretch
from bridge.units import seconds_to_frames

__all__ = ["fade", "following_delay", "steep_filter", "stereo_width"]

_CROSSFADE_SECONDS = 0.03
"""How long echoes take from one time to the next."""


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


def steep_filter(effect: Effect, place: Place) -> Process:
    """Make a HighpassFilter or LowpassFilter of more than 6 dB per octave."""
    order = round(float(effect.parameters["slope_db"]) / 6.0)
    cutoff_hz = held_below_nyquist(float(effect.parameters["cutoff_frequency_hz"]), place.sample_rate)
    kind = "highpass" if effect.name == "HighpassFilter" else "lowpass"
    return Butterworth(kind, order, cutoff_hz, place.sample_rate, place.channels).process  # type: ignore[arg-type]


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
    """Make a Delay whose time changes: a second reading head at the new time is faded in, so that nothing clicks.

    In a stretch it does what Pedalboard's Delay does, whole samples of delay and all.
    """
    first = stretches[0].effect.parameters
    feedback, mix = np.float32(first.get("feedback", 0.0)), np.float32(first.get("mix", 0.5))
    delays = [int(float(np.float32(one.effect.parameters["delay_seconds"])) * place.sample_rate) for one in stretches]
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
