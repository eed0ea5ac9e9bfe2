"""A folder of the user's own weights, made into a model.

It holds `SIGNATURE.safetensors` as on the hub or `SIGNATURE[-CHECKSUM].th` as Demucs saves them, and, for more than
one network, a bag file `NAME.yaml` with `models`, and where wanted `weights` and `segment`, as Demucs writes it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NoReturn

from bridge.errors import ModelError
from bridge.models import legacy
from bridge.models.config import MemberConfig, read_member, unreadable
from bridge.models.model import FolderSource, Member, Model
from bridge.strict_yaml import Node, load, read_bytes
from bridge.words import sentence

__all__ = ["file_of", "read_folder"]

_MAX_MEMBERS = 64


def read_folder(folder: Path) -> Model:
    """Describe the model in a folder, reading headers only; raises ModelError naming what is missing or wrong."""
    folder = folder.resolve()
    try:
        bag = _bag_file(folder)
        signatures = _signatures(folder) if bag is None else None
    except OSError as exc:
        raise unreadable(folder, exc) from exc
    node = load(read_bytes(bag), what="bag", error=ModelError, path=bag) if bag else None
    chosen = _chosen(bag, node) if bag and node else _single(folder, signatures or [])
    members = tuple(_member(folder, signature) for signature in chosen)
    configs = [_config(folder / one.file) for one in members]
    first = configs[0]
    if any((one.sources, one.samplerate) != (first.sources, first.samplerate) for one in configs):
        _refuse(folder, "its networks have different stems or sample rates", "put only networks of one kind in a bag")
    return Model(
        name=bag.stem if bag else folder.name,
        stems=first.sources,
        members=members,
        weights=_weights(bag, node, len(members), len(first.sources)),
        segment_seconds=_segment(bag, node),
        source=FolderSource(folder),
        description=f"own weights in {folder}",
        licence="your own",
        sample_rate=first.samplerate,
    )


def file_of(folder: Path, signature: str) -> Path | None:
    """Find a network's file by its signature; safetensors before the old format. Raises OSError."""
    plain = folder / f"{signature}.safetensors"
    if plain.is_file():
        return plain
    old = sorted(one for one in folder.glob("*.th") if one.stem.split("-")[0] == signature and one.is_file())
    return old[0] if old else None


def _bag_file(folder: Path) -> Path | None:
    bags = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if len(bags) <= 1:
        return bags[0] if bags else None
    named = [one for one in bags if one.stem == folder.name]
    if len(named) != 1:
        listed = ", ".join(one.name for one in bags[:5])
        _refuse(folder, f"it holds several bag files ({listed})", f"keep one, or name one {folder.name}.yaml")
    return named[0]


def _signatures(folder: Path) -> list[str]:
    names = {one.stem for one in folder.glob("*.safetensors")} | {one.stem.split("-")[0] for one in folder.glob("*.th")}
    return sorted(names)


def _single(folder: Path, signatures: list[str]) -> list[str]:
    if not signatures:
        _refuse(folder, "it holds no weights", "it should hold a .safetensors file, or a .th file of Demucs")
    if len(signatures) > 1:
        listed = ", ".join(f"'{one}'" for one in signatures[:8])
        _refuse(
            folder, f"it holds {len(signatures)} networks", f"add a file bag.yaml with the line 'models: [{listed}]'"
        )
    return signatures


def _chosen(bag: Path, node: Node) -> list[str]:
    plain = node.plain()
    keys = plain.keys() if isinstance(plain, dict) else set()
    listed = plain.get("models") if isinstance(plain, dict) else None
    if unknown := sorted(keys - {"models", "weights", "segment"}):
        _refuse_line(bag, node.line_of([unknown[0]]), f"unknown key '{unknown[0]}'", "known: models, weights, segment")
    usable = isinstance(listed, list) and 1 <= len(listed) <= _MAX_MEMBERS
    if not isinstance(listed, list) or not usable or not all(_is_signature(one) for one in listed):
        _refuse_line(bag, node.line_of(["models"]), "'models' must list signatures", "such as 'models: [955717e8]'")
    return listed


def _is_signature(one: object) -> bool:
    return isinstance(one, str) and 0 < len(one) <= 100 and not set(one) & set("/\\:*?[]\0") and one.strip(". ") == one


def _member(folder: Path, signature: str) -> Member:
    try:
        file = file_of(folder, signature)
        size = file.stat().st_size if file else None
    except OSError as exc:
        raise unreadable(folder, exc) from exc
    if file is None:
        _refuse(folder, f"the network '{signature}' is missing", f"put {signature}.safetensors there")
    return Member(signature, file.name, size, None)


def _config(path: Path) -> MemberConfig:
    return legacy.describe_old(path) if path.suffix == ".th" else read_member(path)


def _weights(bag: Path | None, node: Node | None, members: int, stems: int) -> tuple[tuple[float, ...], ...]:
    plain = node.plain() if node else None
    rows = plain.get("weights") if isinstance(plain, dict) else None
    if bag is None or node is None or rows is None:
        return ((1.0,) * stems,) * members
    line = node.line_of(["weights"])
    shaped = isinstance(rows, list) and len(rows) == members
    if not isinstance(rows, list) or not shaped or not all(_is_row(row, stems) for row in rows):
        _refuse_line(bag, line, "'weights' does not fit", f"give {members} lists of {stems} numbers, none below 0")
    weights = tuple(tuple(float(one) for one in row) for row in rows)
    if not all(sum(column) > 0 for column in zip(*weights, strict=True)):
        _refuse_line(bag, line, "a stem gets no weight at all", "give every column at least one number above 0")
    return weights


def _is_row(row: object, stems: int) -> bool:
    return isinstance(row, list) and len(row) == stems and all(_is_number(one) and one >= 0 for one in row)


def _segment(bag: Path | None, node: Node | None) -> float | None:
    plain = node.plain() if node else None
    seconds = plain.get("segment") if isinstance(plain, dict) else None
    if bag is None or node is None or seconds is None:
        return None
    if not _is_number(seconds) or not 0.5 <= seconds <= 600:
        _refuse_line(bag, node.line_of(["segment"]), "'segment' is out of range", "give seconds, 0.5 to 600")
    return float(seconds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(folder: Path, what: str, hint: str) -> NoReturn:
    raise ModelError(f"The folder {folder} makes no model: {what}.", hint=sentence(hint), path=folder)


def _refuse_line(bag: Path, line: int, what: str, hint: str) -> NoReturn:
    raise ModelError(f"{bag.name}:{line}: {what}.", hint=sentence(hint), path=bag)
