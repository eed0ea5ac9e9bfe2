"""Work on a small disk of its own that runs full: run inside a mount namespace by `tests/test_full_disk.py`.

`python -m tests.full_disk process|watch DISK HOME`: DISK is a small file system, HOME a folder elsewhere.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mutagen.id3 import TIT2
from mutagen.wave import WAVE

from bridge.delivery.manifest import verify
from bridge.delivery.publish import publish
from bridge.delivery.stage import discard_stage
from bridge.domain.drop import STAGING
from bridge.domain.events import Event, StageStarted
from bridge.domain.job import Job, SeparationOptions
from bridge.domain.preset import OutputOptions
from bridge.errors import NoSpaceError
from bridge.presets.loader import parse
from bridge.worker.client import Worker
from tests.daemon.houses import FAKE_CHILD, House, sound

LEFT_KIB = {"wav": (0, 8, 16, 32, 64, 400), "flac": (4, 24, 48), "aiff": (12, 40)}
"""What another program leaves of the disk while a job works, by the format of its stems."""
PLAIN = parse("version: 1\nname: plain\n", name="plain")


@contextmanager
def all_but(disk: Path, left_kib: int) -> Iterator[None]:
    """Let another program take the whole disk, but for so much."""
    hog = disk / "hog"
    fill(hog, left_kib)
    try:
        yield
    finally:
        hog.unlink()


def fill(hog: Path, left_kib: int) -> None:
    with hog.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() - 1024 * left_kib))


def tagged(path: Path) -> Path:
    sound(path, seconds=0.1)
    file = WAVE(path)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="Song"))
    file.save()
    return path


def whole_drops(outbox: Path) -> list[str]:
    """Return the names of all that is visible in the outbox: whole drops, and no staging is left."""
    assert not (outbox / STAGING).exists()
    names = sorted(path.name for path in outbox.iterdir() if not path.name.startswith("."))
    for name in names:
        assert verify(outbox / name) == [], name
    return names


def process_on(disk: Path, home: Path) -> dict[str, int]:
    """Run a job again and again while less and less is left; then once with all the space it wants."""
    render = tagged(home / "slow song.wav")
    content = render.read_bytes()
    outbox = disk / "outbox"
    outbox.mkdir()
    full = done = 0
    with Worker(command=FAKE_CHILD) as worker:
        for container, sizes in LEFT_KIB.items():
            output = OutputOptions(format=container, subtype="FLOAT" if container == "wav" else "PCM_24")
            for left_kib in sizes:
                job = Job(f"{container}{left_kib}", render, outbox, "song", PLAIN, options(), output)
                hog = disk / "hog"

                def report(event: Event, hog: Path = hog, left_kib: int = left_kib) -> None:
                    if isinstance(event, StageStarted) and event.stage == "separate":
                        fill(hog, left_kib)

                try:
                    publish(worker.run(job, report))
                    done += 1
                except NoSpaceError:
                    discard_stage(outbox, job.id)
                    full += 1
                    assert whole_drops(outbox) == []
                finally:
                    worker.release()
                hog.unlink()
                for name in whole_drops(outbox):
                    remove(outbox / name)
            publish(worker.run(Job("again", render, outbox, "song", PLAIN, options(), output), lambda _: None))
            worker.release()
            assert whole_drops(outbox) == ["song"]
            remove(outbox / "song")
    assert render.read_bytes() == content
    return {"full": full, "done": done}


def watch_on(disk: Path, home: Path) -> dict[str, int]:
    """Let a daemon, whose outbox and journal are on the disk, meet a full one; give the space back, and it goes on."""
    house = House(home)
    house.outbox = disk / "outbox"
    house.outbox.mkdir()
    house.state = disk / "state"
    paused = 0
    with house.running():
        for number, left_kib in enumerate((0, 48)):
            name = f"song {number}.wav"
            with all_but(disk, left_kib):
                sound(house.inbox / name, seed=number)
                house.until(lambda name=name: is_settled(house, name))
                paused += house.states().get(name) != "done"
            house.until(lambda name=name: house.states().get(name) == "done" and house.staging_is_clean())
            assert whole_drops(house.outbox) == [f"song {one}" for one in range(number + 1)]
    assert [work.state for work in house.works()] == ["done"] * 2
    assert sorted(path.name for path in house.inbox.glob("[!.]*")) == [f"song {one}.wav" for one in range(2)]
    return {"full": paused, "done": len(house.drops())}


def is_settled(house: House, name: str) -> bool:
    """Say whether the daemon has met what there is to meet: it waits for space, or has done the work."""
    short = any("full" in error.message or "space" in error.message for _, error in house.told.errors)
    short |= any("space" in line for line in house.told.said)
    return short or house.states().get(name) == "done"


def options() -> SeparationOptions:
    return SeparationOptions(model="htdemucs_mini", device="cpu", threads=1)


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


if __name__ == "__main__":
    what = {"process": process_on, "watch": watch_on}[sys.argv[1]]
    print(json.dumps(what(Path(sys.argv[2]), Path(sys.argv[3]))))
