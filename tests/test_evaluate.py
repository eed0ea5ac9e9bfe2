"""SDR and bleed say what they promise, on sound whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.errors import ReadError
from bridge.evaluate import evaluate_folders, score
from tests.songs import STEMS, mix_of, multitrack

SONG = multitrack(seconds=3.0, seed=1)
RNG = np.random.default_rng(7)


def sdr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    return score({"stem": reference}, {"stem": estimate})["stem"]["sdr_db"]


def noise(like: np.ndarray) -> np.ndarray:
    return RNG.standard_normal(like.shape).astype(np.float32)


def write(path: Path, sound: np.ndarray, rate: int = 44100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound.T, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


@pytest.mark.parametrize("wanted_db", [-10.0, 0.0, 6.0, 40.0, 90.0])
def test_sdr_is_the_level_of_the_stem_over_that_of_the_error(wanted_db: float) -> None:
    stem = SONG["vocals"].astype(np.float64)
    error = noise(stem).astype(np.float64)
    error *= 10 ** (-wanted_db / 20) * np.sqrt(np.sum(stem**2) / np.sum(error**2))
    assert sdr_db(stem, stem + error) == pytest.approx(wanted_db, abs=1e-6)


def test_sdr_knows_level_silence_and_perfection() -> None:
    stem = SONG["bass"]
    assert sdr_db(stem, stem) == math.inf
    assert sdr_db(stem, np.zeros_like(stem)) == 0.0
    assert sdr_db(stem, 2 * stem) == 0.0
    assert sdr_db(stem, -stem) == pytest.approx(-6.0206, abs=1e-4)
    assert math.isnan(sdr_db(np.zeros_like(stem), stem))


def test_gains_tell_how_loud_each_true_stem_sounds_in_an_estimate() -> None:
    estimate = 0.5 * SONG["vocals"] - 0.1 * SONG["drums"] + 0.01 * SONG["other"]
    row = score(SONG, {"vocals": estimate})["vocals"]
    assert row["vocals_gain_db"] == pytest.approx(-6.02, abs=0.01)
    assert row["drums_gain_db"] == pytest.approx(-20.0, abs=0.01)
    assert row["other_gain_db"] == pytest.approx(-40.0, abs=0.05)
    assert row["bass_gain_db"] < -80.0
    perfect = score(SONG, SONG)["other"]
    assert [perfect[f"{stem}_gain_db"] for stem in STEMS] == [-math.inf, -math.inf, 0.0, -math.inf]
    everything = score(SONG, {"bass": mix_of(SONG)})["bass"]
    assert all(everything[f"{stem}_gain_db"] == pytest.approx(0.0, abs=1e-3) for stem in STEMS)


def test_a_silent_true_stem_has_no_score_and_spoils_no_other() -> None:
    references = {**SONG, "vocals": np.zeros_like(SONG["vocals"])}
    table = score(references, SONG)
    assert math.isnan(table["vocals"]["sdr_db"])
    assert math.isnan(table["drums"]["vocals_gain_db"])
    assert table["drums"]["sdr_db"] == math.inf
    assert table["drums"]["drums_gain_db"] == pytest.approx(0.0, abs=1e-4)


def test_files_score_as_their_samples_do_over_many_blocks(tmp_path: Path) -> None:
    estimates = {stem: sound + 0.01 * noise(sound) for stem, sound in SONG.items()}
    paths = {stem: write(tmp_path / "e" / f"{stem}.wav", sound) for stem, sound in estimates.items()}
    truths = {stem: write(tmp_path / "r" / f"{stem}.wav", sound) for stem, sound in SONG.items()}
    assert SONG["drums"].shape[1] > 2 * 65536
    assert score(truths, paths) == score(SONG, estimates)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("vocals.wav", "vocals"),
        ("Song - Vocals.wav", "vocals"),
        ("Drums & Bass Culture - VOCALS.wav", "vocals"),
        ("01 bass player_(Vocals)_htdemucs.flac", "vocals"),
        ("Song - Drums-less.wav", "drums-less"),
        ("Song - Kick In.wav", "kick in"),
        ("Song - Bassoon.wav", "bassoon"),
    ],
)
def test_a_file_belongs_to_the_last_stem_its_name_speaks_of(tmp_path: Path, name: str, stem: str) -> None:
    write(tmp_path / "estimates" / name, SONG["vocals"])
    write(tmp_path / "references" / f"{stem}.wav", SONG["vocals"])
    assert list(evaluate_folders(tmp_path / "estimates", tmp_path / "references")) == [stem]


def test_of_a_drop_the_dry_stems_are_scored_and_the_mix_is_not(tmp_path: Path) -> None:
    drop, truth = tmp_path / "drop", tmp_path / "truth"
    write(drop / "stems" / "Song - Vocals.wav", 0.1 * SONG["vocals"])
    write(drop / "dry" / "Song - Vocals.wav", SONG["vocals"])
    write(drop / "stems" / "Song - Bass.wav", SONG["bass"])
    write(drop / "mix" / "Song.wav", mix_of(SONG))
    for stem in STEMS:
        write(truth / f"{stem}.wav", SONG[stem])
    write(truth / "mixture.wav", mix_of(SONG))
    table = evaluate_folders(drop, truth)
    assert list(table) == ["bass", "vocals"]
    assert all(row["sdr_db"] == math.inf for row in table.values())
    assert "mixture_gain_db" not in table["bass"]


def test_what_cannot_be_compared_is_said_and_not_scored(tmp_path: Path) -> None:
    stem = SONG["vocals"]
    one, rate = write(tmp_path / "a" / "vocals.wav", stem), write(tmp_path / "b" / "vocals.wav", stem, 48000)
    with pytest.raises(ReadError, match="sample rate in Hz: 48000 and 44100"):
        score({"vocals": one}, {"vocals": rate})
    with pytest.raises(ReadError, match="length in frames"):
        sdr_db(stem, stem[:, :-1])
    with pytest.raises(ReadError, match="number of channels"):
        sdr_db(stem, stem[:1])
    with pytest.raises(ReadError, match="not finite"):
        sdr_db(stem, stem * np.float32(np.nan))
    with pytest.raises(ReadError, match="No stem is on both sides: the references are vocals, the estimates bass"):
        score({"vocals": stem}, {"bass": stem})
    with pytest.raises(ReadError, match="no folder"):
        evaluate_folders(tmp_path / "a", tmp_path / "nowhere")
    write(tmp_path / "a" / "Other Song - Vocals.wav", stem)
    with pytest.raises(ReadError, match="are both named vocals"):
        evaluate_folders(tmp_path / "a", tmp_path / "b")


def test_songs_are_the_same_for_the_same_seed_and_add_up_without_rounding() -> None:
    again = multitrack(seconds=3.0, seed=1)
    assert all(np.array_equal(SONG[stem], again[stem]) for stem in STEMS)
    exact = np.sum([sound.astype(np.float64) for sound in SONG.values()], axis=0)
    assert np.array_equal(mix_of(SONG), exact)
    assert 0.8 < np.abs(exact).max() < 0.9


def test_the_shipped_demo_song_has_four_true_stems_of_one_shape() -> None:
    folder = Path(__file__).parent.parent / "bridge" / "shipped" / "demo"
    table = evaluate_folders(folder, folder)
    assert sorted(table) == sorted(STEMS)
    assert all(row["sdr_db"] == math.inf for row in table.values())
    assert sum(path.stat().st_size for path in folder.glob("*.ogg")) < 1_200_000
