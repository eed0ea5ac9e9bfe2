"""Jobs: which outbox, preset and options a render gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge import config
from bridge.cli.jobs import BESIDE_THE_RENDER, Planner
from bridge.errors import ConfigError, ModelError, PresetError

MINI = "htdemucs_mini"


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    file = tmp_path / "bridge.yaml"
    inboxes = "inboxes:\n  - {path: in, outbox: out, model: htdemucs_mini}\n"
    file.write_text(inboxes + "  - {path: voices, outbox: out, model: htdemucs_mini, preset: karaoke}\n", "utf-8")
    return config.load(file, environment={})


def test_without_settings_the_drop_lies_beside_the_render_and_stems_are_dry(tmp_path: Path) -> None:
    settings = config.Settings(separation=config.Separation(model=MINI))
    job = Planner(settings).job(tmp_path / "song.wav")
    assert job.separation.model == MINI
    assert (job.outbox, job.name, job.preset.name) == (tmp_path / BESIDE_THE_RENDER, "song", "clean")


def test_a_render_is_treated_as_its_inbox_says_and_a_flag_wins(settings: config.Settings, tmp_path: Path) -> None:
    render = tmp_path / "voices" / "song.wav"
    job = Planner(settings).job(render)
    assert (job.outbox, job.preset.name, job.separation.model) == (tmp_path / "out", "karaoke", MINI)
    job = Planner(settings, "clean", outbox=tmp_path / "else").job(render)
    assert (job.outbox, job.preset.name, job.separation.model) == (tmp_path / "else", "clean", MINI)


def test_a_render_outside_every_inbox_gets_nothing_of_any_inbox(settings: config.Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"separation": config.Separation(model=MINI)})
    voices = settings.model_copy(update={"inboxes": settings.inboxes[::-1]})
    job = Planner(voices).job(tmp_path / "songs" / "song.wav")
    assert (job.outbox, job.preset.name) == (tmp_path / "songs" / BESIDE_THE_RENDER, "clean")
    assert job.separation.model == MINI


def test_two_jobs_never_share_an_id(settings: config.Settings, tmp_path: Path) -> None:
    planner = Planner(settings, model=MINI)
    assert planner.job(tmp_path / "a.wav").id != planner.job(tmp_path / "a.wav").id


def test_what_cannot_be_used_is_refused_before_any_work(settings: config.Settings, tmp_path: Path) -> None:
    render = tmp_path / "song.wav"
    with pytest.raises(PresetError):
        Planner(settings, "nope", MINI).job(render)
    with pytest.raises(ModelError):
        Planner(settings, model="nope").job(render)
    six = config.load(settings.file, environment={}, flags={"separation.stems": "guitar"})
    with pytest.raises(ConfigError):
        Planner(six, model=MINI).job(render)


def test_stems_that_exist_need_neither_weights_nor_their_model_s_stems(tmp_path: Path) -> None:
    settings = config.Settings(separation=config.Separation(stems=("guitar",)))
    job = Planner(settings, "karaoke").job(tmp_path / "song.wav", stems_from=tmp_path)
    assert (job.stems_from, job.name) == (tmp_path, "song")
