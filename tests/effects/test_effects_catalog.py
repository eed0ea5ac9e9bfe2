"""The catalog tells the truth about the installed Pedalboard: names, defaults, ranges, and how each may be run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pedalboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.preset import Effect
from bridge.domain.stems import FloatArray
from bridge.presets.catalog import EFFECTS, REFUSED
from bridge.presets.fields import Field
from tests.effects.array_stems import process

RATE = 44100
NOT_EFFECTS = {"Plugin", "PluginContainer", "ExternalPlugin", "IIRFilter"}
"""Bases that cannot be made."""

BUILT_IN = {name: spec for name, spec in EFFECTS.items() if not spec.own}


def noise(seconds: float, channels: int = 2, rate: int = RATE) -> FloatArray:
    """Tone and bursts with silence between, different in every channel."""
    random = np.random.default_rng(1)
    time = np.arange(int(seconds * rate)) / rate
    tones = [0.3 * np.sin(2 * np.pi * 220 * (1 + channel) * time) for channel in range(channels)]
    bursts = random.standard_normal((channels, time.size)) * 0.3 * np.exp(-(time % 0.5) * 12)
    return (np.stack(tones) * (time % 1.0 < 0.7) + bursts).astype(np.float32)


def pedalboard_effect(name: str, values: dict[str, Any]) -> Any:
    enums = {"mode": pedalboard.LadderFilter.Mode, "quality": pedalboard.Resample.Quality}
    return getattr(pedalboard, name)(**{k: getattr(enums[k], v) if k in enums else v for k, v in values.items()})


def test_every_effect_of_pedalboard_is_in_the_catalog_or_refused_with_a_reason() -> None:
    installed = {
        name
        for name, found in vars(pedalboard).items()
        if inspect.isclass(found) and issubclass(found, pedalboard.Plugin) and not name.startswith("_")
    }
    assert installed - NOT_EFFECTS - {"AudioUnitPlugin"} == (set(BUILT_IN) | set(REFUSED)) - {"AudioUnitPlugin"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_parameters_and_defaults_are_those_of_pedalboard(name: str) -> None:
    signature = getattr(pedalboard, name).__init__.__doc__.split("\n")[0]
    told = dict(re.findall(r"(\w+): [\w.]+ = (<[^>]*>|[^,)]+)", signature))
    added = BUILT_IN[name].added
    fields = {key: field for key, field in BUILT_IN[name].parameters.items() if key not in added}
    assert list(told) == list(fields)
    for key, field in fields.items():
        default = told[key].removeprefix("<Mode.").removeprefix("<Quality.").split(":")[0]
        if field.kind == "number":
            assert float(default) == pytest.approx(field.default)
        else:
            assert default == str(field.default)


@pytest.mark.parametrize("name", BUILT_IN)
def test_both_ends_of_every_range_are_taken_by_pedalboard(name: str) -> None:
    added = BUILT_IN[name].added
    defaults = {k: f.default for k, f in BUILT_IN[name].parameters.items() if k not in added}
    for key, field in BUILT_IN[name].parameters.items():
        ends = {"number": (field.low, field.high), "choice": field.choices, "flag": (True, False)}[field.kind]
        for value in ends if key not in added else ():
            pedalboard_effect(name, defaults | {key: value})


def drawn(field: Field) -> st.SearchStrategy[object]:
    if field.kind == "flag":
        return st.booleans()
    if field.kind == "choice":
        return st.sampled_from(field.choices)
    if field.only:
        return st.sampled_from(field.only)
    return st.sampled_from([field.low, field.high]) | st.floats(field.low, field.high)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_within_its_ranges_every_effect_gives_sound(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(set(EFFECTS) - {"Ducker"})))
    spec = EFFECTS[name]
    rate = data.draw(st.sampled_from([rate for rate in (8000, 44100, 48000) if rate in (spec.sample_rates or (rate,))]))
    values = {key: data.draw(drawn(field)) for key, field in spec.parameters.items()}
    sound = noise(0.2, data.draw(st.sampled_from([1, 2])), rate)
    sound[:, 50] = 8.0  # far beyond full scale
    printed = process((Effect(name, values),), sound, rate, tail=0.3)  # type: ignore[arg-type]
    assert np.abs(printed).max() < 10_000, "finite is checked by the graph; this is sanity"


CASES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "mono is untouched": lambda x: x[:1],
    "channels that belong to no pair are untouched": lambda x: np.concatenate([x[:1] * 0, x[:1] * 0, x[:1]]),
}


@pytest.mark.parametrize("case", CASES)
def test_width_leaves_alone(case: str) -> None:
    sound = CASES[case](noise(0.3))
    np.testing.assert_array_equal(process((Effect("StereoWidth", {"width": 1.7}),), sound)[:, : sound.shape[1]], sound)


def test_width_scales_the_difference_and_never_the_sum() -> None:
    sound = noise(0.5)
    for width in (0.0, 1.0, 1.6):
        left, right = process((Effect("StereoWidth", {"width": width}),), sound)
        np.testing.assert_allclose(left + right, sound.sum(axis=0), atol=3e-7)
        np.testing.assert_allclose(left - right, (sound[0] - sound[1]) * width, atol=3e-7)
    np.testing.assert_array_equal(process((Effect("StereoWidth", {"width": 1.0}),), sound), sound)
