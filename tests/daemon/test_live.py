"""Live preset edits: a saved preset is heard in one slot outside the outbox, and becomes a drop only when kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.config import Settings
from bridge.daemon.control import Request, ask
from bridge.daemon.keep import keep, outbox_with
from bridge.daemon.live import AUDITION, Live
from bridge.delivery.manifest import read, sha256_of, verify
from bridge.domain.drop import MANIFEST
from bridge.errors import BridgeError, ConfigError, DeliveryError
from bridge.journal.journal import open_journal
from bridge.worker.client import Worker
from tests.daemon.houses import FAKE_CHILD, House, sound

PRESET = (
    "version: 1\nname: loud\ndescription: Louder vocals.\nstems: {{vocals: {{chain: [{{Gain: {{gain_db: {db}}}}}]}}}}\n"
)


class Room(House):
    """A house whose preset is edited while somebody listens."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.preset = "loud"
        self.live = True
        self.edits = 0
        self.save(0)

    def settings(self) -> Settings:
        settings = super().settings()
        return settings.model_copy(update={"presets": settings.presets.model_copy(update={"live": self.live})})

    def save(self, db: float) -> None:
        self.edits += 1
        path = self.presets / "loud.yaml"
        path.write_text(PRESET.format(db=db), encoding="utf-8")
        os.utime(path, (1_700_000_000 + self.edits, 1_700_000_000 + self.edits))

    @property
    def slots(self) -> list[str]:
        folder = self.state / AUDITION
        return sorted(one.name for one in folder.iterdir()) if folder.exists() else []

    def sound_of(self, drop: Path, stem: str) -> str:
        files = read(drop / MANIFEST).files
        return next(sha256_of(drop / file.path) for file in files if (file.stem, file.kind) == (stem, "stem"))

    @contextmanager
    def listening(self) -> Iterator[Live]:
        """Give what follows the presets, once it knows what they are like."""
        with open_journal(self.state) as journal:
            live = Live(journal, self.state, self.told.say, lambda: Worker(command=FAKE_CHILD))
            with closing(live):
                for _ in range(3):
                    live.tend(self.settings())
                yield live

    def hear(self, live: Live, happened: Callable[[], object]) -> None:
        def tended() -> bool:
            live.tend(self.settings())
            return bool(happened())

        self.until(tended)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(tmp_path)
    sound(room.inbox / "new.wav")
    assert room.once() == 0
    return room


def test_a_saved_preset_is_heard_in_the_slot_of_its_newest_drop_and_the_outbox_stays_as_it_was(room: Room) -> None:
    sound(room.inbox / "newer.wav", seed=2)
    assert room.once() == 0
    before = {name: (room.outbox / name / MANIFEST).read_bytes() for name in room.drops()}
    slot = room.state / AUDITION / "newer"
    with room.listening() as live:
        assert room.slots == [], "nothing was changed yet"
        room.save(-6)
        room.hear(live, slot.exists)
        first = room.sound_of(slot, "vocals")
        assert first != room.sound_of(room.outbox / "newer", "vocals")
        assert room.sound_of(slot, "bass") == room.sound_of(room.outbox / "newer", "bass")
        room.save(-12)
        room.hear(live, lambda: verify(slot) == [] and room.sound_of(slot, "vocals") != first)
    assert room.slots == ["newer"]
    assert {name: (room.outbox / name / MANIFEST).read_bytes() for name in room.drops()} == before


def test_a_broken_preset_is_told_once_and_the_slot_stays(room: Room) -> None:
    room.live = False
    with room.listening() as live:
        room.save(-6)
        for _ in range(3):
            live.tend(room.settings())
        assert room.slots == [], "nobody asked for it"
    room.live = True
    with room.listening() as live:
        (room.presets / "loud.yaml").write_text("version: 1\nname: loud\nstems: 7\n", encoding="utf-8")
        before = len(room.told.said)
        for _ in range(6):
            live.tend(room.settings())
        assert len(room.told.said) == before + 1
        assert room.slots == []


def test_a_replacement_that_was_killed_half_way_is_mended(room: Room) -> None:
    slot = room.state / AUDITION / "new"
    with room.listening() as live:
        room.save(-6)
        room.hear(live, slot.exists)
    slot.rename(slot.with_name(".new.old"))
    with room.listening() as live:
        room.save(-9)
        room.hear(live, slot.exists)
    assert verify(slot) == []
    assert room.slots == ["new"]


def test_what_is_kept_is_a_drop_of_its_own_and_one_that_changes_meanwhile_is_none(room: Room) -> None:
    with room.listening() as live:
        room.save(-6)
        room.hear(live, lambda: room.slots == ["new"])
    slot = room.state / AUDITION / "new"
    kept = keep(room.state, "new", room.outbox)
    assert kept.folder.name == "new 2"
    assert room.drops() == ["new", "new 2"]
    assert (kept.folder / MANIFEST).read_bytes() == (slot / MANIFEST).read_bytes()
    (slot / read(slot / MANIFEST).files[0].path).write_bytes(b"torn")
    with pytest.raises(DeliveryError, match="replaced meanwhile"):
        keep(room.state, "new", room.outbox)
    for name in ("old", "..", "", "../audition/new"):
        with pytest.raises(ConfigError, match="no audition"):
            keep(room.state, name, room.outbox)
    assert room.drops() == ["new", "new 2"]
    assert room.staging_is_clean()


def test_only_a_folder_of_the_outbox_itself_is_a_drop_to_keep_beside(tmp_path: Path) -> None:
    outbox, elsewhere = tmp_path / "outbox", tmp_path / "elsewhere"
    for folder in (outbox / "song", outbox / ".hidden", outbox / "song" / "inner", elsewhere, tmp_path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).write_text("{}")
    (outbox / "empty").mkdir()
    if os.name != "nt":
        (outbox / "link").symlink_to(elsewhere, target_is_directory=True)
    assert outbox_with("song", [tmp_path / "missing", outbox]) == outbox
    for name in ("..", ".", "", ".hidden", "song/inner", "../elsewhere", str(elsewhere), "empty", "link", "song\0"):
        with pytest.raises(ConfigError, match="No outbox holds"):
            outbox_with(name, [outbox])


def test_the_daemon_hears_edits_and_keeps_on_request(room: Room) -> None:
    with room.running():
        room.until(lambda: room.works())
        room.until(lambda: (room.state / "status.json").exists())
        waited = []

        def edited() -> bool:
            # Saved again and again until the daemon, which first learns what presets are like, takes it as an edit.
            # Rarer and rarer: an edit takes back the audition under way.
            if len(waited) in (0, 50, 150, 450):
                room.save(-1 - len(waited) / 50)
            waited.append(1)
            return room.slots == ["new"]

        room.until(edited)
        ask(room.state, Request(do="keep", drop="new"))
        room.until(lambda: (room.outbox / "new 2").exists())
        ask(room.state, Request(do="keep", drop="nobody"))
        room.until(lambda: any(isinstance(error, BridgeError) for _, error in room.told.errors))
    assert room.drops() == ["new", "new 2"]
