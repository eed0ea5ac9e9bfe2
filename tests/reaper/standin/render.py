"""The action "render project, using the most recent render settings": writes the files that REAPER would."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tests.reaper.standin.refused import RefusedError
from tests.reaper.standin.sound import add_item, outputs
from tests.reaper.standin.state import Project

__all__ = ["render"]

_MASTER, _STEMS, _MULTICHANNEL, _ITEMS = 0, 2, 4, 32
_CUSTOM, _SELECTED_ITEMS = 0, 4
_SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}


def render(project: Project, *, sample_rate: int, locate: Callable[[str], Path]) -> None:
    """Render with the project's settings; refuses those that are not modelled, and names with wildcards."""
    numbers, texts = project.render, project.render_texts
    if "$" in texts["RENDER_PATTERN"] or not texts["RENDER_PATTERN"]:
        raise RefusedError("only plain names of files are modelled")
    for key in ("RENDER_ADDTOPROJ", "RENDER_DITHER", "RENDER_NORMALIZE", "RENDER_TAILFLAG"):
        if numbers[key]:
            raise RefusedError(f"{key} = {numbers[key]} changes what is rendered")
    code = base64.b64decode(texts["RENDER_FORMAT"])
    if code[:4] != b"evaw" or texts["RENDER_FORMAT2"] or numbers["RENDER_SRATE"]:
        raise RefusedError("only one WAV at the project's rate is modelled")
    sound = _sound(project, sample_rate)
    wanted = int(numbers["RENDER_CHANNELS"])
    out = np.zeros((wanted, sound.shape[1]))
    out[: min(wanted, sound.shape[0])] = sound[:wanted]
    path = locate(texts["RENDER_FILE"]) / f"{texts['RENDER_PATTERN']}.wav"
    if not path.parent.is_dir():
        return
    soundfile.write(path, out.T, sample_rate, _SUBTYPES[code[4]])


def _sound(project: Project, sample_rate: int) -> npt.NDArray[np.float64]:
    source = int(project.render["RENDER_SETTINGS"]) & ~_MULTICHANNEL
    bounds = int(project.render["RENDER_BOUNDSFLAG"])
    if source == _ITEMS and bounds == _SELECTED_ITEMS:
        (item,) = [one for one in project.items() if one.values.get("B_UISEL")]
        start = item.values["D_POSITION"]
        target = np.zeros((int(project.render["RENDER_CHANNELS"]), _end(item.values, sample_rate)))
        add_item(target, item, project, sample_rate)
        return target[:, round(start * sample_rate) :]
    if bounds != _CUSTOM or source not in (_MASTER, _STEMS):
        raise RefusedError(f"RENDER_SETTINGS {source} within bounds {bounds} is not modelled")
    start, end = (round(project.render[key] * sample_rate) for key in ("RENDER_STARTPOS", "RENDER_ENDPOS"))
    if end <= start:
        raise RefusedError("there is nothing between the bounds")
    heard = outputs(project, sample_rate=sample_rate, frames=end)
    if source == _MASTER:
        return heard[project.master.guid][:, start:]
    selected = [one for one in (*project.tracks, project.master) if one.values.get("I_SELECTED")]
    if len(selected) != 1:
        raise RefusedError(f"{len(selected)} tracks are selected, and one file has one name")
    return heard[selected[0].guid][:, start:]


def _end(values: dict[str, float], sample_rate: int) -> int:
    return round((values["D_POSITION"] + values["D_LENGTH"]) * sample_rate)
