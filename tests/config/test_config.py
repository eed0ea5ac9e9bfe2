"""Settings: which layer wins, and faults that say where they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import config
from bridge.domain.job import SeparationOptions
from bridge.domain.preset import OutputOptions, Preset
from bridge.errors import ConfigError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        file = tmp_path / "bridge.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def fault(file: Path | None, environment: dict[str, str] | None = None, **flags: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        config.load(file, environment=environment or {}, flags={k.replace("__", "."): v for k, v in flags.items()})
    assert caught.value.hint
    return caught.value


def test_without_any_layer_the_options_are_those_of_the_domain(write: Write) -> None:
    settings = config.load(write(""), environment={})
    assert settings.separation.options("htdemucs") == SeparationOptions()
    assert settings.output_for(Preset("p", "")) == OutputOptions()


def test_each_layer_wins_over_the_one_below(write: Write) -> None:
    file = write("separation: {overlap: 0.1, shifts: 1, batch: 2, threads: 3}\n")
    variables = {"STEM_BRIDGE_SEPARATION_OVERLAP": "0.5", "STEM_BRIDGE_SEPARATION_SHIFTS": "4", "OTHER": "x"}
    settings = config.load(file, environment=variables, flags={"separation.shifts": 7, "separation.batch": None})
    separation = settings.separation
    assert (separation.threads, separation.batch, separation.overlap, separation.shifts) == (3, 2, 0.5, 7)
    assert settings.file == file


def test_the_variable_names_the_file_and_the_argument_wins_over_it(write: Write, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("separation: {shifts: 2}", encoding="utf-8")
    variables = {"STEM_BRIDGE_CONFIG": str(other), "STEM_BRIDGE_DATA": str(tmp_path)}
    assert config.load(environment=variables).separation.shifts == 2
    assert config.load(write("separation: {shifts: 3}"), environment=variables).separation.shifts == 3


def test_lists_come_from_yaml_and_from_words_with_commas(write: Write) -> None:
    for text, variables in (
        ("separation: {stems: [vocals, drums]}", {}),
        ("separation: {stems: 'vocals, drums'}", {}),
        ("separation: {stems: all}", {"STEM_BRIDGE_SEPARATION_STEMS": "vocals,drums"}),
        ("", {"STEM_BRIDGE_SEPARATION_STEMS": "[vocals, drums]"}),
    ):
        assert config.load(write(text), environment=variables).separation.stems == ("vocals", "drums")
    assert config.load(write("separation: {stems: all}"), environment={}).separation.stems == ()


DEVICES = "It must be 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,cuda:1' or 'mps'."


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("version: 1\nseperation: {}\n", 2, "Did you mean 'separation'?"),
        ("separation:\n  shifts: 1\n  overlp: 0.1\n", 3, "Did you mean 'overlap'?"),
        ("separation:\n  overlap: 0.96\n", 2, "It must be less than or equal to 0.95."),
        ("separation: {overlap: '0.5'}\n", 1, "It must be a number."),
        ("separation: {shifts: true}\n", 1, "It must be a whole number."),
        ("separation: {device: gpu}\n", 1, "It must be 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,cuda:1' or 'mps'."),
        (
            "separation: {device: 'cuda:0,cpu'}\n",
            1,
            "It must be 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,cuda:1' or 'mps'.",
        ),
        (
            "separation: {device: 'cuda:0,'}\n",
            1,
            "It must be 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,cuda:1' or 'mps'.",
        ),
        (
            "separation: {device: 'cuda:1, cuda:01'}\n",
            1,
            "It must be cards named once each, such as 'cuda:0,cuda:1'.",
        ),
        ("separation: 5\n", 1, "It must be 'name: value' lines."),
        ("inboxes:\n  - path: a\n    outbx: b\n", 2, "Add it."),
        ("inboxes: {path: a, outbox: b}\n", 1, "It must be a list."),
        ("version: 2\n", 1, "It must be 1."),
        ("output: {dry: maybe}\n", 1, "It must be true or false."),
        ("- 1\n", 1, ""),
        ("a: [\n", 2, ""),
        ("a: 1\na: 2\n", 2, ""),
    ],
)
def test_a_fault_in_the_file_has_its_line_and_a_way_out(write: Write, text: str, line: int, hint: str) -> None:
    file = write(text)
    error = fault(file)
    assert error.message.startswith(f"{file}:{line}: ")
    assert error.hint == hint or not hint


def test_a_fault_in_a_variable_or_a_flag_names_it(write: Write) -> None:
    file = write("separation: {residual: share}")
    assert "STEM_BRIDGE_SEPARATION_SHIFTS" in fault(file, {"STEM_BRIDGE_SEPARATION_SHIFTS": "99"}).message
    assert fault(file, {"STEM_BRIDGE_SEPARATION_SHIFT": "1"}).hint == "Did you mean 'STEM_BRIDGE_SEPARATION_SHIFTS'?"
    for short, whole in (("MODEL", "SEPARATION_MODEL"), ("OVERLAP", "SEPARATION_OVERLAP"), ("BPM", "PRESETS_BPM")):
        assert fault(file, {f"STEM_BRIDGE_{short}": "1"}).hint == f"Did you mean 'STEM_BRIDGE_{whole}'?"
    assert fault(file, separation__residual="othr").message.startswith("--residual: ")
    assert "--overlap" in fault(file, separation__overlap=float("nan")).message


def test_the_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    assert "stem-bridge init" in fault(tmp_path / "none.yaml").hint
    assert "cannot be read" in fault(None, {"STEM_BRIDGE_CONFIG": str(tmp_path)}).message


def test_two_ways_to_choose_stems_exclude_each_other_within_one_layer_only(write: Write) -> None:
    assert "two_stems" in fault(write("separation: {stems: [drums], two_stems: vocals}")).message
    file = write("separation: {stems: [drums]}")
    separation = config.load(file, environment={}, flags={"separation.two_stems": "vocals"}).separation
    assert (separation.stems, separation.two_stems) == ((), "vocals")


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", "a")],
        [("a", "a/out")],
        [("out/a", "out")],
        [("a", "b"), ("b", "c")],
        [("a", "b"), ("c", "a/../c/d")],
        [("a", "out"), ("a/inner", "out")],
    ],
)
def test_folders_that_feed_each_other_are_refused(write: Write, pairs: list[tuple[str, str]]) -> None:
    lines = "".join(f"  - {{path: {path}, outbox: {outbox}}}\n" for path, outbox in pairs)
    assert "contains the other" in fault(write(f"inboxes:\n{lines}")).message


def test_inboxes_may_share_an_outbox_and_a_render_finds_its_inbox(write: Write, tmp_path: Path) -> None:
    file = write("inboxes:\n  - {path: a, outbox: out}\n  - {path: b, outbox: out, preset: karaoke}\n")
    settings = config.load(file, environment={})
    assert [one.path for one in settings.inboxes] == [tmp_path / "a", tmp_path / "b"], "relative to the file"
    chosen = [settings.inbox_of(tmp_path / render) for render in ("b/x/song.wav", "a/song.wav", "elsewhere.wav")]
    assert [inbox and inbox.preset for inbox in chosen] == ["karaoke", "clean", None]
    assert config.Settings().inbox_of(tmp_path / "song.wav") is None


def test_one_line_makes_a_model_the_default_everywhere_and_an_inbox_s_own_wins_there(write: Write) -> None:
    inboxes = "inboxes:\n  - {path: a, outbox: out}\n  - {path: b, outbox: out, model: htdemucs_6s}\n"
    for text, variables, default in (
        (inboxes, {}, "htdemucs"),
        (inboxes + "separation: {model: htdemucs_ft}\n", {}, "htdemucs_ft"),
        (inboxes + "separation: {model: htdemucs_ft}\n", {"STEM_BRIDGE_SEPARATION_MODEL": "mdx_extra"}, "mdx_extra"),
    ):
        settings = config.load(write(text), environment=variables)
        chosen = [settings.model_of(inbox) for inbox in (None, *settings.inboxes)]
        assert chosen == [default, default, "htdemucs_6s"]


def test_a_model_or_preset_that_is_plainly_a_path_starts_at_the_file_and_a_name_stays(
    write: Write, tmp_path: Path
) -> None:
    inbox = "inboxes: [{path: a, outbox: b, model: ../mine, preset: ./my.yaml}]\n"
    settings = config.load(write(inbox + "separation: {model: ./weights}\n"), environment={})
    assert Path(settings.separation.model) == tmp_path / "weights"
    assert [Path(settings.inboxes[0].preset), Path(settings.model_of(settings.inboxes[0]))] == [
        tmp_path / "my.yaml",
        tmp_path / ".." / "mine",
    ]
    named = config.load(write("separation: {model: weights/mine}"), environment={})
    assert named.separation.model == "weights/mine"


def test_a_flag_wins_over_the_preset_s_output_and_the_preset_over_the_file(write: Write) -> None:
    preset = Preset("p", "", output=OutputOptions("flac", "PCM_16"), stated_output=frozenset({"format", "subtype"}))
    file = write("output: {format: aiff, subtype: PCM_24, dry: false}")
    assert config.load(file, environment={}).output_for(preset) == OutputOptions("flac", "PCM_16", dry=False)
    flagged = config.load(file, environment={}, flags={"output.subtype": "source"})
    assert flagged.output_for(preset) == OutputOptions("flac", "source", dry=False)


def test_of_a_list_in_one_text_the_setting_is_named_and_of_a_list_in_yaml_the_place(write: Write) -> None:
    assert "'output.session' cannot be 'logic'" in fault(write(""), output__session="reaper,logic").message
    assert "'output.session' cannot be 'logic'" in fault(write("output: {session: logic}")).message
    variables = {"STEM_BRIDGE_OUTPUT_SESSION": "logic"}
    assert "'output.session' cannot be 'logic'" in fault(write(""), variables).message
    assert "'output.session.1' cannot be 'logic'" in fault(write("output: {session: [reaper, logic]}")).message


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "wild.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with suppress(ConfigError):
        assert config.load(file, environment={}).file == file


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no endless file on this system")
def test_an_endless_file_is_read_no_further_than_shows_that_it_is_too_large() -> None:
    assert "more than 64 KiB is too large" in fault(Path("/dev/zero")).message


def test_the_daemon_s_settings_have_ranges_and_the_state_has_a_place(write: Write, tmp_path: Path) -> None:
    settings = config.load(write("intake: {settle_seconds: 5}\ntell: {finished: [say, done]}\n"), environment={})
    assert (settings.intake.settle_seconds, settings.tell.finished) == (5.0, ("say", "done"))
    variables = {"STEM_BRIDGE_DAEMON_QUIET_HOURS": "'22:00-07:00'", "STEM_BRIDGE_DAEMON_ATTEMPTS": "5"}
    settings = config.load(write(""), environment=variables)
    assert (settings.daemon.quiet_hours, settings.daemon.attempts) == ("22:00-07:00", 5)
    assert config.state_folder({"STEM_BRIDGE_DATA": str(tmp_path)}) == tmp_path / "state"
    for text in (
        "intake: {settle_seconds: 0}",
        "intake: {rescan_seconds: .nan}",
        "daemon: {quiet_hours: 25:00-07:00}",
        "daemon: {while_playing: stop}",
        "tell: {finished: say done}",
        "tell: {finished: ['']}",
        "inboxes: [{path: a, outbox: b, after: delete}]",
    ):
        assert "bridge.yaml:1: " in fault(write(text)).message, text


@pytest.mark.parametrize("folder", ["~nobody-of-this-name/x", '"a\\0b"'])
def test_a_folder_that_can_be_none_is_a_fault_with_its_line(tmp_path: Path, folder: str) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(f"version: 1\npresets: {{folders: [{folder}]}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bridge\.yaml:2: 'presets\.folders\.0' cannot be") as told:
        config.load(file, environment={})
    assert told.value.hint == "It must be a folder."


def test_a_folder_for_data_that_can_be_none_is_told() -> None:
    with pytest.raises(ConfigError, match="STEM_BRIDGE_DATA"):
        config.state_folder({"STEM_BRIDGE_DATA": "~nobody-of-this-name/x"})
