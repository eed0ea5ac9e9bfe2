"""Whatever an effect is told, by a file or by a program: it takes it and gives sound, or refuses it in one sentence."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.preset import Effect, Preset, StemPreset
from bridge.effects.graph import bind
from bridge.errors import EffectError, PresetError
from bridge.presets.catalog import EFFECTS
from bridge.presets.fields import Field
from bridge.presets.loader import parse
from tests.effects.array_stems import ArrayStems, collect

STEMS = ("drums", "vocals")
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 3000)).astype(np.float32)
HOSTILE = [math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-320, 2**70, -1, 0, 44100.0, 22050.0, True, False, None, ""]
HOSTILE += ["nan", "1/0", "1/8", "99/64d", "../x", "\x00", "𝕏" * 500, [], [0.0] * 10_000, {}, b"x", 1j]

values = st.sampled_from(HOSTILE) | st.floats() | st.text(max_size=5) | st.integers()


def tried(name: str, told: dict[str, Any], wet: Any = 1.0) -> Exception | None:
    """Bind and run; return the refusal."""
    preset = Preset("test", "", {"vocals": StemPreset((Effect(name, told, wet=wet),), tail=0.1)})
    try:
        graph = bind(preset, STEMS, sample_rate=44100, channels=2)
        for sound in collect(graph, ArrayStems({stem: SOUND.copy() for stem in STEMS})).values():
            assert np.isfinite(sound).all()
    except (PresetError, EffectError) as exc:
        return exc
    return None


def is_one_sentence(error: Exception) -> bool:
    text = str(error)
    return 0 < len(text) < 600 and "\n" not in text and "Traceback" not in text


@pytest.mark.parametrize("name", sorted(EFFECTS))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, None, "nonsense", [0.0] * 10_000], ids=repr)
def test_what_is_no_value_at_all_is_refused_by_every_parameter_of_every_effect(name: str, value: Any) -> None:
    for parameter in EFFECTS[name].parameters:
        error = tried(name, {parameter: value})
        assert isinstance(error, PresetError), parameter
        assert is_one_sentence(error)
        assert "vocals" in str(error)


def beyond(field: Field) -> list[object]:
    """Give what is nearly a value of this parameter, and is none."""
    if field.kind != "number":
        return [0, 1.0, "nonsense"]
    return [True, False, field.low - max(1e-3, abs(field.low) / 1e3), field.high * 1.001 + 1e-3, -1e308, "1/8 d", b"1"]


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_every_hostile_value_is_one_clear_error_at_check_time_at_every_rate(name: str, rate: int) -> None:
    for parameter, field in EFFECTS[name].parameters.items():
        for value in [*beyond(field), math.nan, math.inf, None]:
            preset = Preset("test", "", {"vocals": StemPreset((Effect(name, {parameter: value}),))})  # type: ignore[dict-item]
            with pytest.raises(PresetError) as raised:
                bind(preset, STEMS, sample_rate=rate, channels=2)
            assert is_one_sentence(raised.value)
            assert name in raised.value.message
            assert parameter in raised.value.message
            assert raised.value.hint


@pytest.mark.parametrize("rate", [8000, 11025, 32000])
def test_a_frequency_above_what_the_render_holds_gives_sound(rate: int) -> None:
    for name, spec in EFFECTS.items():
        high = {key: field.high for key, field in spec.parameters.items() if field.below_nyquist}
        needed = {key: field.default for key, field in spec.parameters.items() if field.required}
        if high:
            chain = (Effect(name, {**needed, **high}),)  # type: ignore[arg-type]
            preset = Preset("test", "", {"vocals": StemPreset(chain, tail=0.1)})
            dry = ArrayStems({stem: SOUND.copy() for stem in STEMS}, rate)
            printed = collect(bind(preset, STEMS, sample_rate=rate, channels=2), dry)["vocals"]
            assert np.abs(printed).max() < 10.0, name


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_anything_bound_directly_gives_sound_or_one_refusal(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(EFFECTS)))
    told = data.draw(st.dictionaries(st.sampled_from(sorted(EFFECTS[name].parameters) or ["x"]), values, max_size=3))
    error = tried(name, told, data.draw(st.sampled_from([1.0, 0.5, 0.0, math.nan, -1, "x", None])))
    assert error is None or is_one_sentence(error)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_anything_in_a_file_is_loaded_and_gives_sound_or_is_refused_with_its_line(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(EFFECTS)))
    plain = values.filter(lambda value: not isinstance(value, complex))
    told = data.draw(st.dictionaries(st.sampled_from([*sorted(EFFECTS[name].parameters), "x"]), plain, max_size=3))
    text = yaml.safe_dump({"version": 1, "stems": {"vocals": {"chain": [{name: told}], "tail": 0.1}}})
    preset, refusal = None, ""
    try:
        preset = parse(text, name="test")
    except PresetError as exc:
        refusal = str(exc)
    if preset is None:
        assert re.match(r"test:\d+: ", refusal)
        return
    error = tried(name, dict(preset.stems["vocals"].chain[0].parameters))  # type: ignore[union-attr]
    assert error is None or is_one_sentence(error)


def test_a_name_that_is_none_brings_the_nearest() -> None:
    assert "Compressor" in str(getattr(tried("Compresor", {}), "hint", ""))
    assert "ratio" in str(getattr(tried("Compressor", {"ration": 2.0}), "hint", ""))
