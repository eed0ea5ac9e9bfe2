"""index.xml is what ReaPack reads: every script once, every file by its commit, nothing that is not there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from bridge.reaper import ADDER
from bridge.resources import shipped
from docs import make_reapack_index

SCRIPTS = shipped("reaper_scripts")
BASE = "https://github.com/someone/stem-bridge/raw/0123abc/reaper_scripts/"


def test_every_script_is_an_action_of_one_package_and_every_url_a_file_of_the_repository() -> None:
    text = make_reapack_index.index(SCRIPTS, "someone/stem-bridge", "0123abc", "2026-01-01T00:00:00Z")
    root = ET.fromstring(text)
    assert (root.tag, root.get("version"), root.get("commit")) == ("index", "1", "0123abc")
    (package,) = root.findall("category/reapack")
    scripts = {path.name for path in (SCRIPTS / "Stem Bridge").glob("*.lua")} - {ADDER}
    library = {f"lib/{path.name}" for path in (SCRIPTS / "Stem Bridge" / "lib").glob("*.lua")}
    assert (package.get("name"), package.get("type")) == (ADDER, "script")
    assert package.get("desc")
    sources = package.findall("version/source")
    assert {one.get("file") for one in sources if one.get("main") == "main"} == scripts
    assert {one.get("file") for one in sources if one.get("main") is None} == library
    assert len(sources) == len(scripts | library)
    for source in sources:
        assert source.text is not None
        assert source.text.startswith(BASE)
        assert " " not in source.text
        assert (SCRIPTS / unquote(source.text.removeprefix(BASE))).is_file()
    description = package.findtext("metadata/description") or ""
    assert description.startswith("{\\rtf1")
    assert description.count("{") == description.count("}")


def test_a_file_of_two_packages_is_refused_since_reapack_would_install_only_the_first(tmp_path: Path) -> None:
    for name in ("A", "B"):
        script = tmp_path / "scripts" / "Tools" / f"stembridge_{name}.lua"
        (script.parent / "lib").mkdir(parents=True, exist_ok=True)
        (script.parent / "lib" / "x.lua").write_text("-- @noindex\n")
        script.write_text("-- @description x\n-- @version 1\n-- @provides\n--   [nomain] lib/*.lua\n")
    with pytest.raises(ValueError, match=r"x\.lua is part of stembridge_A\.lua and of stembridge_B\.lua"):
        make_reapack_index.index(tmp_path / "scripts", "a/b", "1", "t")


def test_the_same_commit_gives_the_same_index() -> None:
    make = make_reapack_index.index
    assert make(SCRIPTS, "a/b", "1", "t") == make(SCRIPTS, "a/b", "1", "t")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("-- @description x", "is no version"),
        ("-- @description x\n-- @version one", "is no version"),
        ("-- @description x\n-- @version 1.99999", "is no version"),
        ("-- @description x\n-- @version 1\n-- @colour red", "unknown tag"),
        ("-- @description x\n-- @version 1\n-- @provides\n--   [nomain] lib/missing.lua", "provides nothing"),
        ("local x = 1\n-- @version 1", "is no version"),
    ],
)
def test_a_header_that_reapack_would_refuse_is_refused(tmp_path: Path, header: str, message: str) -> None:
    script = tmp_path / "stembridge_X.lua"
    script.write_text(header + "\n")
    with pytest.raises(ValueError, match=message):
        make_reapack_index.read_package(script)
