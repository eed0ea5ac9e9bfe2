"""What a project sounds like: walk the routing, sum the gains, read the files. An effect is a gain.

The pan law is a model: a law of gain g leaves g in the middle and 1 at the sides, above 1 (gain compensation) 1 in the
middle and g at the sides, in a straight line between. Of REAPER it shares what tests need: a law other than 0 dB
changes how loud things are, and each track, take and send has its own law or follows the project's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soundfile

from tests.reaper.standin.state import Item, Project, Send, Take, Track

__all__ = ["add_item", "master", "outputs"]

Sound = npt.NDArray[np.float64]
"""(channels, frames)"""
_STEREO_PAN = 5
_FIXED_LANES = 2
_PRE_RECEIVE = 8


def master(project: Project, *, sample_rate: int, frames: int) -> Sound:
    """Return what leaves the master from time 0: (project.master_channels, frames) float64."""
    return outputs(project, sample_rate=sample_rate, frames=frames)[project.master.guid]


def outputs(project: Project, *, sample_rate: int, frames: int) -> dict[str, Sound]:
    """Return what leaves every track and the master from time 0, by GUID: (channels, frames) float64."""
    out = np.zeros((project.master_channels, frames))
    sums = {track.guid: np.zeros((_channels(track), frames)) for track in project.tracks}
    for track in _upstream_first(project):
        sound = sums[track.guid]
        own = np.zeros_like(sound)
        for item in track.items:
            if is_playing(item, track):
                add_item(own, item, project, sample_rate, _offset(track, sample_rate))
        if track.values.get("B_MUTE"):
            sound[:] = own[:] = 0.0
        sound += own
        _apply_effects(track, sound, sample_rate)
        before_fader = sound.copy()
        sound[:] = _strip(track, sound, project)
        for send in track.sends:
            assert send.target is not None
            _add_send(sums[send.target.guid], send, (sound, before_fader, own), project)
        if track.values["B_MAINSEND"]:
            parent = project.parent(track)
            into, first = out if parent is None else sums[parent.guid], int(track.values.get("C_MAINSEND_OFFS", 0))
            _add(into, sound[: int(track.values.get("C_MAINSEND_NCH", 0)) or None], first)
    _apply_effects(project.master, out, sample_rate)
    out = _strip(project.master, out, project) * (not project.master.values.get("B_MUTE"))
    return sums | {project.master.guid: out}


def _apply_effects(track: Track, sound: Sound, sample_rate: int) -> None:
    """Change the sound as a track's effects do."""
    for fx in track.fx if track.values.get("I_FXEN", 1.0) else []:
        later = round(fx.ring_seconds * sample_rate)
        if 0 < later < sound.shape[1]:
            sound[:, later:] += 0.5 * sound[:, :-later]
        sound *= fx.gain


def _strip(track: Track, sound: Sound, project: Project) -> Sound:
    """Return sound behind a track's width, fader and VCA."""
    width = track.values.get("D_WIDTH", 1.0) if track.values.get("I_PANMODE") == _STEREO_PAN else 1.0
    middle = sound[:2].mean(axis=0, keepdims=True)
    sound = np.concatenate([middle + width * (sound[:2] - middle), sound[2:]])
    gains = _fader(track.values, project.pan_law, sound.shape[0])
    return sound * gains * (1.0 if track.vca is None else track.vca)


def is_playing(item: Item, track: Track) -> bool:
    """Tell whether the lane that an item lies in plays."""
    lane = item.values.get("C_LANEPLAYS", 0.0)
    return lane > 0 if track.values.get("I_FREEMODE") == _FIXED_LANES else lane >= 0


def _offset(track: Track, sample_rate: int) -> int:
    """Return by how many frames a track plays its items later."""
    flag, offset = int(track.values.get("I_PLAY_OFFSET_FLAG", 0)), track.values.get("D_PLAY_OFFSET", 0.0)
    return 0 if flag & 1 else round(offset if flag & 2 else offset * sample_rate)


def _channels(track: Track) -> int:
    return int(track.values["I_NCHAN"])


def _upstream_first(project: Project) -> list[Track]:
    """Order tracks so that each comes after all that feed it."""
    ordered: list[Track] = []
    open_tracks: set[int] = set()

    def visit(track: Track) -> None:
        if track in ordered:
            return
        assert id(track) not in open_tracks, f"feedback through {track.name}"
        open_tracks.add(id(track))
        for other in project.tracks:
            feeds = any(send.target is track for send in other.sends)
            if feeds or (other.values["B_MAINSEND"] and project.parent(other) is track):
                visit(other)
        ordered.append(track)

    for track in project.tracks:
        visit(track)
    return ordered


def _fader(values: dict[str, float], project_law: float, channels: int) -> Sound:
    """Return the gain of each channel, (channels, 1); pan moves the first two."""
    assert values.get("I_PANMODE", -1) in (-1, 0, 3, _STEREO_PAN), "dual pan is not modelled"
    law = project_law if values["D_PANLAW"] == -1 else values["D_PANLAW"]
    pan = values.get("D_PAN", 0.0)
    gains = np.full((channels, 1), -float(values["D_VOL"]) if values.get("B_PHASE") else float(values["D_VOL"]))
    middle, side = min(law, 1.0), max(law, 1.0)
    near = middle + (side - middle) * abs(pan)
    far = middle * (1.0 - abs(pan))
    gains[:2, 0] *= (near, far) if pan <= 0 else (far, near)
    return gains


def _add(target: Sound, sound: Sound, first: int = 0) -> None:
    """Add what fits; channels beyond the target's are lost."""
    count = min(sound.shape[0], target.shape[0] - first)
    target[first : first + count] += sound[:count]


def _add_send(target: Sound, send: Send, taps: tuple[Sound, Sound, Sound], project: Project) -> None:
    """Add what a send takes: behind the fader, before it, or only what lies on the track itself."""
    values = send.values
    assert not values.get("B_MONO"), "only sends that keep their channels are modelled"
    source = int(values.get("I_SRCCHAN", 0))
    if source == -1 or values.get("B_MUTE"):
        return
    code = source >> 10
    first, count = source & 1023, {0: 2, 1: 1}.get(code, 2 * code)
    sound = taps[{0: 0, _PRE_RECEIVE: 2}.get(int(values.get("I_SENDMODE", 0)), 1)]
    assert first + count <= sound.shape[0], "a send takes channels that its track does not have"
    sent = sound[first : first + count] * _fader(values, project.pan_law, count)
    _add(target, sent, int(values.get("I_DSTCHAN", 0)) & 1023)


def add_item(target: Sound, item: Item, project: Project, sample_rate: int, later: int = 0) -> None:
    """Add what an item sounds like, before its track's effects, to `target`, which begins at time 0.

    `later` = by how many frames its track plays it later.
    """
    take = item.active_take
    if take is None or take.source is None or item.values.get("B_MUTE"):
        return
    start = round(item.values.get("D_POSITION", 0.0) * sample_rate) + later
    length = round(item.values.get("D_LENGTH", 0.0) * sample_rate)
    sound = _take_sound(item, take, length, sample_rate) * item.values["D_VOL"]
    sound = sound * _fader(take.values, project.pan_law, sound.shape[0])
    end = min(start + length, target.shape[1])
    _add(target[:, start:end], sound[:, : end - start])


def _take_sound(item: Item, take: Take, length: int, sample_rate: int) -> Sound:
    """Return the take over its item, (channels, length): after the file's end the loop or silence, fades applied."""
    assert take.source is not None
    assert take.values["D_PLAYRATE"] == 1.0, "only the rate 1 is modelled"
    samples, rate = soundfile.read(take.source.file, always_2d=True)
    assert rate == sample_rate, "resampling is not modelled"
    sound = samples.T
    sound = np.repeat(sound, 2, axis=0) if sound.shape[0] == 1 else sound
    places = round(take.values.get("D_STARTOFFS", 0.0) * sample_rate) + np.arange(length)
    if item.values.get("B_LOOPSRC"):
        places %= sound.shape[1]
    inside = (places >= 0) & (places < sound.shape[1])
    heard = np.where(inside, sound[:, np.where(inside, places, 0)], 0.0)
    fade_in, fade_out = (
        round(max(item.values.get(f"D_FADE{way}LEN", 0.0), item.values.get(f"D_FADE{way}LEN_AUTO", 0.0)) * sample_rate)
        for way in ("IN", "OUT")
    )
    ramp = np.ones(length)
    if fade_in:
        ramp *= np.minimum(1.0, np.arange(length) / fade_in)
    if fade_out:
        ramp *= np.minimum(1.0, np.arange(length, 0, -1) / fade_out)
    return heard * ramp
