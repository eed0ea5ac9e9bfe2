"""A project as text, for tests that fail: what lies where, and what feeds what."""

from __future__ import annotations

import math

from tests.reaper.standin.state import Item, Project, Track

__all__ = ["arrangement", "routing"]


def arrangement(project: Project) -> str:
    """Write tracks with their items and takes, then the markers."""
    lines = []
    for number, track in enumerate(project.tracks, 1):
        lines.append(f"{number:3} {track.name!r}{_marks(track)}")
        lines += [f"      {line}" for item in track.items for line in _item(item)]
    for marker in project.markers:
        end = f" .. {marker.end:.6f}" if marker.is_region else ""
        lines.append(f"  {'region' if marker.is_region else 'marker'} {marker.start:.6f}{end} {marker.name!r}")
    return "\n".join(lines)


def routing(project: Project) -> str:
    """Write for every track its fader and where it goes."""
    lines = []
    for track in project.tracks:
        ways = ["master or folder"] if track.values["B_MAINSEND"] else []
        ways += [f"{send.target.name!r} {_db(send.values['D_VOL'])}" for send in track.sends]
        pan = track.values.get("D_PAN", 0.0)
        lines.append(f"{track.name!r} {_db(track.values['D_VOL'])} pan {pan:+.2f} -> {', '.join(ways) or 'nowhere'}")
    return "\n".join(lines)


def _marks(track: Track) -> str:
    marks = [word for key, word in (("B_MUTE", "muted"), ("I_SELECTED", "selected")) if track.values.get(key)]
    marks += [f"folder {track.values['I_FOLDERDEPTH']:+.0f}"] if track.values.get("I_FOLDERDEPTH") else []
    marks += [f"fx {', '.join(fx.name for fx in track.fx)}"] if track.fx else []
    return f" [{'; '.join(marks)}]" if marks else ""


def _item(item: Item) -> list[str]:
    start = item.values.get("D_POSITION", 0.0)
    lines = [f"{start:.6f} .. {start + item.values.get('D_LENGTH', 0.0):.6f}"]
    for take in item.takes:
        mark = "*" if take is item.active_take else " "
        path = take.source.path if take.source else "no source"
        lines.append(f"  {mark} {take.texts.get('P_NAME', '')!r} {path}")
    return lines


def _db(gain: float) -> str:
    return f"{20 * math.log10(gain):+.2f} dB" if gain > 0 else "-inf dB"
