"""Names hold on every system, whatever they were made from."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.delivery.names import check_length, safe_name, same_name_key, unique_name
from bridge.errors import DeliveryError

ANY_CHARACTER = st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=())
AWKWARD = st.sampled_from(list("<>:\"/\\|?* .\t\n\0~-$%_'`\u202e\u200b\u200d\ufeff\udce9\ud800e\u0301\u212b😀ßı½¹"))
DEVICE = st.sampled_from(["CON", "nul", "Aux", "prn", "COM1", "com¹", "LPT³", "COM0", "CONIN$", "conout$"])
ANY_TEXT = st.one_of(
    st.text(ANY_CHARACTER, max_size=60),
    st.text(AWKWARD, max_size=120),
    st.builds(
        "".join, st.tuples(st.text(AWKWARD, max_size=3), DEVICE, st.text(AWKWARD, max_size=3), st.text(max_size=3))
    ),
)
WINDOWS_REFUSES = re.compile(
    r'[<>:"/\\|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\.|$)', re.IGNORECASE
)


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT, st.integers(1, 100))
@example("CON", 80)
@example("a" * 300, 80)
@example("e\u200b\u0301", 80)
@example(" .. ", 80)
def test_any_text_makes_a_name_every_system_takes(text: str, max_bytes: int) -> None:
    name = safe_name(text, max_bytes=max_bytes)
    assert 0 < len(name.encode("utf-8")) <= max_bytes
    assert not WINDOWS_REFUSES.search(name)
    assert PureWindowsPath(name).parts == (name,)
    assert not name.startswith((".", " "))
    assert all(unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for one in name)
    assert unicodedata.is_normalized("NFC", name)
    assert safe_name(name, max_bytes=max_bytes) == name


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_the_disk_keeps_the_names_as_they_are_built(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    names: list[str] = []
    for text in texts:
        names.append(unique_name(safe_name(text), names))
        (folder / names[-1]).mkdir()
    assert {unicodedata.normalize("NFC", one.name) for one in folder.iterdir()} == set(names)
    assert len({same_name_key(name) for name in names}) == len(names)
    assert all(len(name.encode("utf-8")) <= 80 for name in names)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Song", "My Song"),
        ("絆ふぉーえばー", "絆ふぉーえばー"),
        ("cafe\u0301", "café"),
        ("AC/DC: what?", "AC_DC_ what_"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\mix", "C__mix"),
        ("tab\tand\nline", "tab and line"),
        ("\u202egnp.exe", "gnp.exe"),
        ("song. . .", "song"),
        ("-6 dB mix", "-6 dB mix"),
        ("nul.wav", "_nul.wav"),
        ("Console", "Console"),
        ("caf\udce9", "caf_"),
        ("", "render"),
        ("...", "render"),
    ],
)
def test_names_stay_readable(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_name_is_never_cut_inside_a_character() -> None:
    assert safe_name("é" * 60) == "é" * 40
    assert safe_name("😀" * 60, max_bytes=10) == "😀😀"


@pytest.mark.parametrize("taken", ["song", "SONG", "Song"])
def test_a_taken_name_gets_a_number_without_regard_to_case(taken: str) -> None:
    assert unique_name("song", [taken]) == "song 2"
    assert unique_name("song", [taken, "song 2", "Song 3"]) == "song 4"


def test_unicode_forms_of_one_name_are_one_name() -> None:
    assert unique_name("café", ["CAFE\u0301"]) == "café 2"


def test_a_function_decides_what_is_taken_and_the_number_counts_into_the_length() -> None:
    long = "x" * 80
    assert unique_name(long, lambda name: name == long) == "x" * 78 + " 2"


def test_a_path_too_long_for_windows_is_an_error_that_names_the_way_out() -> None:
    check_length(Path("x" * 240))
    for path in (Path("x" * 241), Path("😀" * 121)):
        with pytest.raises(DeliveryError) as raised:
            check_length(path)
        assert "outbox" in raised.value.hint


@pytest.mark.skipif(sys.platform != "win32", reason="asks Windows itself")
@pytest.mark.parametrize("text", ["CON", "nul.wav", "com¹", "trailing.", "a:b"])
def test_windows_itself_opens_what_we_build(tmp_path: Path, text: str) -> None:
    path = tmp_path / safe_name(text)
    path.write_bytes(b"sound")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
