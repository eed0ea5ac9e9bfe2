"""Which models exist: the published Demucs models, the bundled one, and any folder of the user's own weights.

Where the facts come from. Members, weights and segments of the bags are those of the YAML files inside demucs 4.1.0
(a test compares). Revisions and SHA-256 of `htdemucs`, `htdemucs_ft` and `htdemucs_6s` are those of the author's hub
repositories as several independent public projects record them, all agreeing. For `hdemucs_mmi` and `mdx_extra` no
such record was found: they are pinned on their first pull (see `lock`), and never guessed.

Licences of the weights. The code of Demucs is MIT. Whether that covers the weights is not settled: the model cards on
the hub said `license: mit` in July 2026; public reviews record that the author took that line out of the card of
`HTDemucs` on 31 August 2026 and that he called the weights meant for research in the issue tracker. They were trained
on MUSDB18-HQ, which is for research, and on further songs that are not public. So this package ships none of them: the
user fetches them from the author's own repository, and decides. The bundled `htdemucs_mini` was trained for this
project on generated songs only; its card lies beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bridge.errors import ModelError
from bridge.models.model import FolderSource, HubSource, Member, Model, ShippedSource
from bridge.models.own import read_folder
from bridge.resources import shipped
from bridge.words import did_you_mean

__all__ = ["TRIAL", "FolderSource", "HubSource", "Member", "Model", "ShippedSource", "find", "names"]

TRIAL = "htdemucs_mini"
"""The model that comes with the package, for trying out."""

_FOUR = ("drums", "bass", "other", "vocals")
_SIX = (*_FOUR, "guitar", "piano")
_AS_PUBLISHED = "as published by its author; code of Demucs: MIT, weights: not settled"
_HYBRID_BYTES = 84_025_440


def _hub(signature: str, size: int | None = None, sha256: str | None = None) -> Member:
    return Member(signature, f"{signature}.safetensors", size, sha256)


def _even(members: int, stems: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
    return ((1.0,) * len(stems),) * members


_MODELS = (
    Model(
        name="htdemucs",
        stems=_FOUR,
        members=(_hub("955717e8", _HYBRID_BYTES, "d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd"),),
        weights=_even(1, _FOUR),
        segment_seconds=None,
        source=HubSource("adefossez/HTDemucs", "cbc8a9b1a87023b7fd74e7b3412e6321c0eab003"),
        description="Hybrid Transformer Demucs: the default, good and fast.",
        licence=_AS_PUBLISHED,
    ),
    Model(
        name="htdemucs_ft",
        stems=_FOUR,
        members=(
            _hub("f7e0c4bc", _HYBRID_BYTES, "2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f"),
            _hub("d12395a8", _HYBRID_BYTES, "5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56"),
            _hub("92cfc3b6", _HYBRID_BYTES, "a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59"),
            _hub("04573f0d", _HYBRID_BYTES, "68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c"),
        ),
        weights=tuple(tuple(float(row == column) for column in range(4)) for row in range(4)),
        segment_seconds=None,
        source=HubSource("adefossez/HTDemucs-ft", "d74ac89c3a1e874fc78f152555cf4d8533f06cd4"),
        description="htdemucs fine-tuned once per stem: four networks, each for one stem.",
        licence=_AS_PUBLISHED,
    ),
    Model(
        name="htdemucs_6s",
        stems=_SIX,
        members=(_hub("5c90dfd2", 54_885_744, "d2a1745f0744721f6b8ca5bf469b67c651ea5ed1b52998cab033b2158609d411"),),
        weights=_even(1, _SIX),
        segment_seconds=None,
        source=HubSource("adefossez/HTDemucs-6s", "3c5ee475be622df764938de97e4281a7b07ffa58"),
        description="htdemucs with guitar and piano as stems of their own; piano is weak.",
        licence=_AS_PUBLISHED,
    ),
    Model(
        name="hdemucs_mmi",
        stems=_FOUR,
        members=(_hub("75fc33f5"),),
        weights=_even(1, _FOUR),
        segment_seconds=44.0,
        source=HubSource("adefossez/Demucs-hdemucs_mmi", None),
        description="Hybrid Demucs without a transformer, retrained on more songs.",
        licence=_AS_PUBLISHED,
    ),
    Model(
        name="mdx_extra",
        stems=_FOUR,
        members=tuple(_hub(one) for one in ("e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08")),
        weights=_even(4, _FOUR),
        segment_seconds=44.0,
        source=HubSource("adefossez/Demucs-mdx_extra", None),
        description="Four Hybrid Demucs networks averaged; second on track B of the Music Demixing Challenge 2021.",
        licence=_AS_PUBLISHED,
    ),
    Model(
        name=TRIAL,
        stems=_FOUR,
        members=(_hub("htdemucs_mini", 5_811_392, "9a3cd11e7aaa425e19a54d1fece4d9e2bce827df2a4182095e1e8f3188460c54"),),
        weights=_even(1, _FOUR),
        segment_seconds=None,
        source=ShippedSource(shipped("models")),
        description="Small HTDemucs that comes with the package: for trying out, offline.",
        licence="see htdemucs_mini.md beside the file",
        is_trial=True,
    ),
)
_BY_NAME = {model.name: model for model in _MODELS}


def names() -> tuple[str, ...]:
    """Return the names of all models this release knows."""
    return tuple(_BY_NAME)


def find(name: str, folders: Sequence[Path] = ()) -> Model:
    """Return a model by its name, or by the path of a folder of own weights, absolute or inside one of `folders`.

    Nothing needs to be downloaded for that. Raises ModelError when there is no such model or the folder makes none.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    for place in (Path(name), *(folder / name for folder in folders)) if name.strip() else ():
        if (folder := _folder(place)) is not None:
            return read_folder(folder)
    guess = did_you_mean(name, _BY_NAME)
    known = f"Models are {', '.join(_BY_NAME)}, or the path of a folder of own weights."
    raise ModelError(f"There is no model {name[:100]!r}.", hint=f"{guess} {known}".lstrip())


def _folder(place: Path) -> Path | None:
    try:
        place = place.expanduser()
        return place if place.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # a text no file system takes
        return None
