"""Planning a tree: every drop has a place of its own, inside the folder for drops, whatever the renders are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.batch.plan import MIRROR, Planned, plan_tree
from bridge.delivery.names import safe_name, same_name_key
from bridge.errors import ConfigError

FLAT = "{name}"
"""All drops side by side."""
TOP, OUT = Path("/music"), Path("/stems")


def planned(*names: str, layout: str = MIRROR, drops: tuple[str, ...] = ()) -> list[str]:
    """Return the place of every drop, relative to the folder for drops."""
    plan = plan_tree(
        [TOP / name for name in names],
        TOP,
        OUT,
        layout=layout,
        words={"preset": "clean", "model": "mini"},
        is_drop=lambda path: path in {OUT / drop for drop in drops},
    )
    return [place(one).relative_to(OUT).as_posix() for one in plan]


def place(one: Planned) -> Path:
    return one.outbox / one.name


def test_the_tree_is_mirrored_or_flat_or_as_the_layout_says() -> None:
    names = ("a.wav", "x/y/b.flac")
    assert planned(*names) == ["a", "x/y/b"]
    assert planned(*names, layout=FLAT) == ["a", "b"]
    assert planned(*names, layout="{model}/{folder} - {name}") == ["mini/a", "mini/x - y - b"]
    assert planned(*names, layout="{folder}/{name} [{preset}] {suffix}") == ["a [clean] wav", "x/y/b [clean] flac"]


def test_renders_of_one_name_all_show_their_suffix_and_then_a_number() -> None:
    assert planned("song.wav", "song.flac", "Song.mp3") == ["song (wav)", "song (flac)", "Song (mp3)"]
    assert planned("x/a.wav", "y/a.wav", "y/a 2.wav", layout=FLAT) == ["a (wav)", "a (wav) 2", "a 2"]
    assert planned("a.wav", "a.flac", "a (wav).wav") == ["a (wav) 2", "a (flac)", "a (wav)"]


def test_no_drop_is_made_inside_another() -> None:
    assert planned("a.wav", "a/b.wav", "a/b/c.wav") == ["a (wav)", "a/b (wav)", "a/b/c"]
    assert planned("a/b.wav", drops=("a",)) == ["a 2/b"]
    assert planned("a/b/c.wav", "a/d.wav", drops=("a", "a 2")) == ["a 3/b/c", "a 3/d"]


@pytest.mark.parametrize(
    "layout",
    [
        "",
        "/{name}",
        "{folder}//{name}",
        "../{name}",
        "{name}/..",
        "{folder}",
        "{artist}",
        "{name!r}",
        "{name:>9}",
        "{}",
    ],
)
def test_a_layout_that_cannot_be_is_refused_with_what_can(layout: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned("a.wav", layout=layout)
    assert "{folder}/{name}" in caught.value.hint


part = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
hostile = st.one_of(
    st.sampled_from(["a", "A", "a 2", "a (wav)", "CON", "é", "e\u0301", "..a", " a", "a.", "render", "\n", "]]"]), part
)
paths = st.lists(st.tuples(st.lists(hostile, max_size=3).map(tuple), hostile), max_size=12, unique=True)


@given(paths, st.sampled_from([MIRROR, FLAT, "{folder} - {name}", "x/{name}{suffix}"]))
def test_no_two_drops_meet_none_lies_in_another_and_none_leaves_its_folder(
    tree: list[tuple[tuple[str, ...], str]], layout: str
) -> None:
    renders = [TOP.joinpath(*folders, f"{name}.wav") for folders, name in tree]
    plan = plan_tree(renders, TOP, OUT, layout=layout)
    assert [one.render for one in plan] == renders
    keys = [tuple(map(same_name_key, place(one).parts)) for one in plan]
    assert len(set(keys)) == len(keys)
    for key in keys:
        assert not any(other != key and other[: len(key)] == key for other in keys), "a drop lies in a drop"
    for one in plan:
        assert place(one).is_relative_to(OUT)
        assert all(safe_name(part, max_bytes=255) == part for part in place(one).relative_to(OUT).parts)
        assert one.name == safe_name(one.name)
    assert plan == plan_tree(renders, TOP, OUT, layout=layout), "the same renders give the same plan"
