"""De-esser and ducker: gains that Pedalboard's compressor finds on one sound, put on another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bridge.audio.sections import Butterworth
from bridge.domain.preset import Effect
from bridge.domain.stems import FloatArray
from bridge.effects.builtin import built_in, held_below_nyquist, plugin
from bridge.effects.place import Place, Process
from bridge.effects.shared import Blocks
from bridge.effects.tempo import Stretch
from bridge.presets.catalog import EFFECTS
from bridge.units import db_to_gain

__all__ = ["de_esser", "ducker"]

_PROBE = np.float32(1e-9)
"""Added to what the compressor hears, 180 dB down: its gain can be read from it where the sound crosses zero, too."""


def de_esser(effect: Effect, place: Place) -> Process:
    """Make a shelf that follows the sharpness of the treble.

    The treble above `frequency_hz` (24 dB per octave, loudest channel) sets the gain; what is turned down is a shelf of
    6 dB per octave that begins an octave lower, so that it is deep where the esses are. Its low part is the exact rest:
    below the threshold the sound is left as it is, bit for bit.
    """
    rate, channels = place.sample_rate, place.channels
    corner = held_below_nyquist(_number(effect, "frequency_hz"), rate)
    sharp = Butterworth("highpass", 4, corner, rate, channels)
    shelf = Effect("HighpassFilter", {"cutoff_frequency_hz": corner / 2.0})
    treble = built_in((Stretch(0, shelf),), place)
    gain_of = _gain((Stretch(0, effect),), _number(effect, "range_db"), place)

    def process(block: FloatArray) -> FloatArray:
        gain = gain_of(np.abs(sharp.process(block)).max(axis=0, keepdims=True))  # (1, n)
        out: FloatArray = block + treble(block) * (gain - np.float32(1.0))
        return out  # (C, n)

    return process


def ducker(stretches: Sequence[Stretch], blocks: Blocks, place: Place) -> Blocks:
    """Turn a stream down while the stem it listens to is loud; the two are in step to the frame."""
    effect = stretches[0].effect
    gain_of = _gain(stretches, _number(effect, "depth_db"), place)
    other = place.listen(str(effect.parameters["under"]))
    pairs = zip(blocks, other, strict=True)
    return (block * gain_of(np.abs(heard).max(axis=0, keepdims=True)) for block, heard in pairs)


def _gain(stretches: Sequence[Stretch], most_db: float, place: Place) -> Process:
    """Make what turns (1, n) loudness, 0 or more, into (1, n) gain, 1 or less, and never less than -most_db."""
    names = EFFECTS["Compressor"].parameters
    plain = []
    for one in stretches:
        values = {name: field.default for name, field in EFFECTS[one.effect.name].parameters.items()}
        values |= one.effect.parameters
        kept = {name: value for name, value in values.items() if name in names and value is not None}
        plain.append(Stretch(one.start, Effect("Compressor", kept)))
    compressor = plugin(plain, place.sample_rate)
    least = np.float32(db_to_gain(-most_db))

    def gain(key: FloatArray) -> FloatArray:
        probe = key + _PROBE
        found: FloatArray = np.clip(compressor(probe) / probe, least, np.float32(1.0))
        return found

    return gain


def _number(effect: Effect, name: str) -> float:
    value = effect.parameters.get(name, EFFECTS[effect.name].parameters[name].default)
    return float(value or 0.0)
