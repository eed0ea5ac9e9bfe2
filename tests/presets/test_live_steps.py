"""Where a plugin may be live: at the end of a chain, where the session sounds as if all had been printed."""

from __future__ import annotations

import pytest

from bridge.domain.preset import Plugin
from bridge.errors import PresetError
from bridge.presets.loader import parse
from bridge.presets.schema import schema

LIVE = "{plugin: {path: T.vst3, live: true}}"
PRINTED = "{plugin: {path: T.vst3}}"


def test_a_live_plugin_is_a_step_with_all_that_others_have_and_the_schema_knows_it() -> None:
    text = (
        "version: 1\nstems:\n  vocals:\n    chain:\n"
        "      - Gain: {gain_db: 1}\n"
        "      - plugin: {path: T.vst3, preset: t.vstpreset, parameters: {mix: 3},\n"
        "                 wet: 0.5, missing: skip, live: true}\n"
    )
    step = parse(text, name="p").stems["vocals"].chain[1]
    assert step == Plugin("T.vst3", "", "t.vstpreset", {"mix": 3.0}, wet=0.5, missing="skip", live=True)
    steps = schema()["$defs"]["step"]["properties"]
    assert "live" in steps["plugin"]["properties"]
    assert "live" not in schema()["$defs"]["instrument"]["properties"]["plugin"]["properties"]


@pytest.mark.parametrize(
    "text",
    [
        f"stems: {{vocals: {{chain: [{PRINTED}, {LIVE}, {LIVE}], target_lufs: -18, reaper_fx: [ReaEQ]}}}}",
        f"stems: {{vocals: {{chain: [{LIVE}, {{Invert: {{bypass: true}}}}]}}}}",
        f"stems: {{vocals: {{chain: [{{plugin: {{path: T.vst3, live: true, bypass: true}}}}, {PRINTED}]}}}}",
        "stems: {vocals: {reference_lufs: -20, chain: [{plugin: {path: T.vst3, live: true, wet: 0}}]}}",
        f"buses: {{A: {{}}, B: {{chain: [{LIVE}]}}}}\nsends: [{{from: A, to: B}}]",
        f"buses: {{A: {{}}, B: {{print: true}}}}\nstems: {{vocals: {{bus: A, chain: [{LIVE}]}}, drums: {{bus: B}}}}",
        f"instruments: {{Keys: {{plugin: {{path: S.vst3}}, chain: [{LIVE}]}}}}",
        "stems: {vocals: {chain: [{plugin: {path: T.component, live: false}}]}}",
    ],
)
def test_at_the_end_of_a_chain_and_where_nothing_is_printed_behind_it_a_plugin_may_be_live(text: str) -> None:
    parse(f"version: 1\n{text}\n", name="p")


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        (f"stems:\n  vocals:\n    chain:\n      - {LIVE}\n      - Gain: {{gain_db: 1}}", "heard last", 6),
        (f"stems:\n  vocals:\n    chain:\n      - {LIVE}\n      - {PRINTED}", "heard last", 6),
        (f"stems:\n  vocals:\n    chain:\n      - {LIVE}\n      - parallel: [[], []]", "heard last", 6),
        (f"stems:\n  vocals:\n    chain:\n      - parallel: [[], [{LIVE}]]", "inside 'parallel'", 5),
        (f"stems:\n  vocals:\n    chain:\n      - mid_side: {{side: [{LIVE}]}}", "inside 'parallel' or 'mid_side'", 5),
        (f"stems:\n  vocals:\n    chain:\n      - parallel: [[mid_side: {{mid: [{LIVE}]}}]]", "inside 'parallel'", 5),
        (f"stems:\n  vocals:\n    reference_lufs: -20\n    chain: [{LIVE}]", "reference_lufs", 5),
        ("stems:\n  vocals:\n    chain: [{plugin: {path: T.component, live: true}}]", "only a VST3", 4),
        ("stems:\n  vocals:\n    chain: [{plugin: {path: T.vst3, live: loud}}]", "true or false", 4),
        ("stems:\n  vocals:\n    chain: [{Gain: {live: true}}]", "live", 4),
        ("instruments:\n  Keys:\n    plugin: {path: S.vst3, live: true}", "an instrument is always printed", 4),
        (f"buses:\n  A: {{print: true, chain: [{LIVE}]}}", "bus 'A' is printed", 3),
        (f"buses:\n  A: {{}}\n  B: {{print: true, chain: [{LIVE}]}}\nsends: [{{from: A, to: B}}]", "'B' is printed", 4),
        (
            f"buses:\n  A: {{print: true}}\nstems: {{vocals: {{bus: A, chain: [{LIVE}]}}}}",
            "live plugin T.vst3 of 'vocals'",
            3,
        ),
        (
            f"buses:\n  A: {{parent: B}}\n  B: {{}}\n  C: {{print: true, chain: [{{Invert: {{}}}}]}}\n"
            f'sends: [{{from: B, to: C}}]\nstems: {{"*": {{bus: A, chain: [{LIVE}]}}}}',
            "live plugin T.vst3 of '*'",
            5,
        ),
        (
            "buses:\n  A: {print: true}\n"
            f"instruments: {{Keys: {{plugin: {{path: S.vst3}}, bus: A, chain: [{LIVE}]}}}}",
            "of 'Keys'",
            3,
        ),
        (f"buses:\n  A: {{chain: [{PRINTED}, {LIVE}]}}", "nobody hears", 3),
        (
            "buses:\n  A: {}\n  B: {chain: [{plugin: {path: T.vst3, live: true, bypass: true}}]}\n"
            "sends:\n  - {from: A, to: B}",
            "meets no effect",
            6,
        ),
    ],
)
def test_what_a_session_cannot_do_is_refused_with_its_line(text: str, says: str, line: int) -> None:
    with pytest.raises(PresetError) as caught:
        parse(f"version: 1\n{text}\n", name="p")
    assert says in caught.value.message
    assert caught.value.message.startswith(f"p:{line}: ")
    assert caught.value.hint
