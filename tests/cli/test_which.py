"""Which drop is meant: the same words as people see, however their system writes accents."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.cli.which import drop_meant
from bridge.config import Inbox, Settings
from bridge.delivery.manifest import write
from bridge.errors import ConfigError
from tests.delivery.small_drops import manifest_of

RENDER = "Caf\N{LATIN SMALL LETTER E WITH ACUTE}.wav"


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out"


def drop(outbox: Path, name: str, render: Path, *, days: int = 0) -> Path:
    folder = outbox / name
    folder.mkdir(parents=True)
    small = manifest_of(folder)
    said = small.render.model_copy(update={"path": str(render)})
    write(folder, small.model_copy(update={"render": said, "created": small.created + timedelta(days=days)}))
    return folder


def settings_of(outbox: Path) -> Settings:
    return Settings(inboxes=(Inbox(path=outbox.parent / "in", outbox=outbox),))


def test_a_drop_is_called_by_its_folder_its_name_or_its_render(outbox: Path) -> None:
    render = outbox.parent / "in" / RENDER
    meant = drop(outbox, "Caf\N{LATIN SMALL LETTER E WITH ACUTE}", render)
    drop(outbox, "other", outbox.parent / "in" / "other.wav")
    for word in (str(meant), meant.name, RENDER, str(render)):
        for form in ("NFC", "NFD"):
            if word != str(meant) or form == "NFC":
                assert drop_meant(unicodedata.normalize(form, word), settings_of(outbox)) == meant


def test_of_several_drops_of_a_render_the_newest_is_meant_and_a_name_comes_before_a_render(outbox: Path) -> None:
    render = outbox.parent / "in" / "song.wav"
    drop(outbox, "song 3", render, days=1)
    newest = drop(outbox, "song", render, days=2)
    drop(outbox, "song 2", render)
    assert drop_meant("song.wav", settings_of(outbox)) == newest
    named = drop(outbox, "song.wav", outbox.parent / "in" / "another.wav")
    assert drop_meant("song.wav", settings_of(outbox)) == named


def test_bytes_that_are_no_text_name_a_render_too(outbox: Path) -> None:
    render = outbox.parent / "in" / "caf\udce9.wav"
    meant = drop(outbox, "cafe", Path(str(render).encode("utf-8", "backslashreplace").decode()))
    assert drop_meant("caf\udce9.wav", settings_of(outbox)) == meant


def test_what_is_no_drop_is_told_with_where_to_look(outbox: Path) -> None:
    with pytest.raises(ConfigError, match="There is no drop 'nothing'") as raised:
        drop_meant("nothing", settings_of(outbox))
    assert "drops list" in raised.value.hint
