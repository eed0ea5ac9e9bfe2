"""A project as text, for tests that fail: what lies where, and what feeds what."""

from __future__ import annotations

import math

from tests.reaper.standin.state import Item, Project, Send, Track

__all__ = ["arrangement", "routing"]


def arrangement(project: Project) -> str:
    """Write tracks with their items and takes, then the markers and the changes of tempo."""
    lines = []
    for number, track in enumerate(project.tracks, 1):
        lines.append(f"{number:3} {track.name!r}{_marks(track)}")
        lines += [f"      {line}" for item in track.items for line in _item(item)]
    for marker in project.markers:
        end = f" .. {marker.end:.6f}" if marker.is_region else ""
        lines.append(f"  {'region' if marker.is_region else 'marker'} {marker.start:.6f}{end} {marker.name!r}")
    for change in project.tempo:
        ramp = " ramp" if change.is_ramp else ""
        meter = f"{change.numerator}/{change.denominator}"
        lines.append(f"  tempo {change.seconds:.6f} {change.bpm:.6f} {meter}{ramp}")
    return "\n".join(lines)


def routing(project: Project) -> str:
    """Write for every track its fader and where it goes."""
    lines = []
    for track in project.tracks:
        parent = project.parent(track)
        ways = [f"folder {parent.name!r}" if parent else "master"] if track.values["B_MAINSEND"] else []
        ways += [_way(send) for send in (*track.sends, *track.hardware)]
        pan = track.values.get("D_PAN", 0.0)
        lines.append(f"{track.name!r} {_db(track.values['D_VOL'])} pan {pan:+.2f} -> {', '.join(ways) or 'nowhere'}")
    return "\n".join(lines)


def _way(send: Send) -> str:
    """Name the target of a send, its level, and what is unusual about it."""
    values = send.values
    words = [repr(send.target.name) if send.target else "sound card", _db(values["D_VOL"])]
    words += [f"pan {values['D_PAN']:+.2f}"] if values.get("D_PAN") else []
    words += [{1: "pre-effects", 3: "pre-fader", 8: "pre-receive"}.get(int(values.get("I_SENDMODE", 0)), "")]
    words += ["muted"] if values.get("B_MUTE") else []
    return " ".join(filter(None, words))


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
