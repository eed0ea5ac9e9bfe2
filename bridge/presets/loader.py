"""From the text of a preset to a validated `Preset`: every fault is a PresetError with file, line and what to do."""

from __future__ import annotations

import graphlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from bridge.domain.preset import (
    Bus,
    Chain,
    Effect,
    Instrument,
    MidSide,
    OutputOptions,
    Parallel,
    Plugin,
    Preset,
    Send,
    StemPreset,
    Step,
)
from bridge.presets.catalog import EFFECTS, REFUSED, SOURCES, STEMS, STEP_FIELDS
from bridge.presets.compose import FindBase, joined, layers_of, read_text
from bridge.presets.fields import Field, Value, check, entries, read
from bridge.presets.keys import (
    BUS_FIELDS,
    FX,
    OUTPUT_FIELDS,
    PARTS,
    PATTERN,
    PRESET_FIELDS,
    SEND_FIELDS,
    STEM_FIELDS,
    TAG,
    TRACK,
)
from bridge.presets.live_steps import check_chain, check_printed_buses, live_in
from bridge.presets.plugin_step import plugin_step
from bridge.strict_yaml import Node
from bridge.words import did_you_mean

__all__ = ["build", "load", "parse"]

MOST_EFFECTS = 100
MOST_INSTRUMENTS = 16


def load(path: Path, find_base: FindBase = lambda _, __: ()) -> Preset:
    """Read a preset file; its name is the file's, without the ending. Raises PresetError."""
    return parse(read_text(path), name=path.stem, path=path, find_base=find_base)


def parse(text: str | bytes, *, name: str, path: Path | None = None, find_base: FindBase = lambda _, __: ()) -> Preset:
    """Read the text of a preset called `name`. Raises PresetError that says where and what to do."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    layers = layers_of(data, name=name, path=path, find_base=find_base)
    return build(joined([root for root, _ in layers]), b"\n".join(text for _, text in layers), name=name)


def build(root: Node, texts: bytes, *, name: str) -> Preset:
    """Make the preset called `name` of a document that nothing lies below any more; `texts` are all that went into it.

    Raises PresetError at the first slip.
    """
    if root.value is None:
        raise root.fail("the preset is empty", "begin with 'version: 1'")
    values = read(root, PRESET_FIELDS, "a preset", inner=PARTS)
    parts = entries(root, "a preset")
    if str(values.get("name", name)).casefold() != name.casefold():
        raise parts["name"].fail(f"the preset calls itself '{values['name']}'", f"write 'name: {name}', or remove it")
    buses = _buses(parts.get("buses"))
    stems, sends = _stems(parts.get("stems"), buses), _sends(parts.get("sends"), buses)
    instruments = _instruments(parts.get("instruments"), buses)
    if "buses" in parts:
        check_printed_buses(parts["buses"], stems, instruments, buses, sends)
    output = read(parts["output"], OUTPUT_FIELDS, "output") if "output" in parts else {}
    return Preset(
        name=name,
        description=str(values.get("description", "")).strip(),
        stems=stems,
        buses=buses,
        sends=sends,
        instruments=instruments,
        tags=_texts(parts.get("tags"), TAG, "tags"),
        layout=str(values.get("layout", "sends")),  # type: ignore[arg-type]  # checked by PRESET_FIELDS
        output=OutputOptions(**output),  # type: ignore[arg-type]  # checked by OUTPUT_FIELDS
        stated_output=frozenset(output),
        sha256=hashlib.sha256(texts).hexdigest(),
    )


def _stems(node: Node | None, buses: Mapping[str, Bus]) -> dict[str, StemPreset]:
    stems: dict[str, StemPreset] = {}
    for name, child in entries(node, "stems").items() if node else ():
        if name != "*" and name not in STEMS:
            hint = did_you_mean(name, STEMS) or f'stems are {", ".join(SOURCES)}, or "*" for every other'
            raise child.fail(f"there is no stem '{name[:60]}'", hint)
        stems[name] = _stem(child, name, buses)
    return stems


def _instruments(node: Node | None, buses: Mapping[str, Bus]) -> dict[str, Instrument]:
    instruments: dict[str, Instrument] = {}
    for name, child in entries(node, "instruments").items() if node else ():
        check(Node(name, child.line, child.source), SEND_FIELDS["from"], "the name of an instrument")
        if name.casefold() in {*STEMS, *(other.casefold() for other in instruments)}:
            raise child.fail(f"'{name[:60]}' is taken, by a stem or another instrument", "give it a name of its own")
        parts = entries(child, name)
        if "plugin" not in parts:
            raise child.fail(f"instrument '{name[:60]}' needs 'plugin'", "add 'plugin: {path: Name.vst3}'")
        mix = _stem(child, name, buses, what="instrument", inner=("plugin", "tracks"))
        plugin = plugin_step(parts["plugin"], plays=True)
        instruments[name] = Instrument(name, plugin, _texts(parts.get("tracks"), TRACK, "tracks"), mix)
    if node and len(instruments) > MOST_INSTRUMENTS:
        raise node.fail(f"more than {MOST_INSTRUMENTS} instruments", "take some out")
    return instruments


def _stem(
    node: Node, name: str, buses: Mapping[str, Bus], *, what: str = "stem", inner: tuple[str, ...] = ()
) -> StemPreset:
    values = read(node, STEM_FIELDS, f"{what} '{name[:60]}'", inner=("chain", "reaper_fx", *inner))
    parts = entries(node, name)
    if "bus" in values and values["bus"] not in buses:
        raise _no_bus(parts["bus"], str(values["bus"]), buses)
    chain = _whole_chain(parts, what)
    if "target_lufs" in values and "target_peak_db" in values:
        raise parts["target_peak_db"].fail(f"two targets for one {what}", "keep 'target_lufs' or 'target_peak_db'")
    reaper_fx = _texts(parts.get("reaper_fx"), FX, "reaper_fx")
    return StemPreset(chain=chain, reaper_fx=reaper_fx, **values)  # type: ignore[arg-type]  # checked by STEM_FIELDS


def _items(node: Node, what: str) -> Sequence[Node]:
    if node.value is None:
        return ()
    if not isinstance(node.value, tuple):
        raise node.fail(f"'{what}' must be a list", "begin each of its lines with '- '")
    return cast("tuple[Node, ...]", node.value)


def _chain(node: Node, what: str) -> Chain:
    return tuple(_step(step) for step in _items(node, what))


def _whole_chain(parts: Mapping[str, Node], what: str) -> Chain:
    """Read the chain of a stem, instrument or bus."""
    if "chain" not in parts:
        return ()
    chain = _chain(parts["chain"], "chain")
    if _count(chain) > MOST_EFFECTS:
        raise parts["chain"].fail(f"more than {MOST_EFFECTS} effects on one {what}", "take some out")
    check_chain(parts["chain"], chain, has_reference="reference_lufs" in parts)
    return chain


def _count(chain: Chain) -> int:
    count = 0
    for step in chain:
        match step:
            case Parallel():
                count += sum(map(_count, step.branches))
            case MidSide():
                count += _count(step.mid) + _count(step.side)
            case _:
                count += 1
    return count


def _mid_side(node: Node) -> MidSide:
    read(node, {}, "mid_side", inner=("mid", "side"))
    parts = entries(node, "mid_side")
    if not parts:
        raise node.fail("'mid_side' has neither 'mid' nor 'side'", "write 'mid_side: {mid: [...], side: [...]}'")
    return MidSide(**{name: _chain(part, name) for name, part in parts.items()})


def _step(node: Node) -> Step:
    if isinstance(node.value, str):
        raise node.fail(f"the step '{node.value[:40]}' has no ':'", f"write '- {node.value[:40]}: {{}}'")
    step = entries(node, "a step")
    if len(step) != 1:
        raise node.fail(
            f"a step holds one effect, this one holds {len(step)}",
            "write '- Effect: {parameter: value}', or indent the parameters deeper than the effect's name",
        )
    ((name, inner),) = step.items()
    if name == "parallel":
        branches = tuple(_chain(branch, "parallel") for branch in _items(inner, "parallel"))
        if not branches:
            raise inner.fail("'parallel' has no branch", "give it a list of lists of steps; [] is the dry path")
        return Parallel(branches)
    if name == "mid_side":
        return _mid_side(inner)
    if name == "plugin":
        return plugin_step(inner)
    if name not in EFFECTS:
        if name in REFUSED:
            raise inner.fail(f"{name} cannot be used: {REFUSED[name]}", "take another effect")
        hint = did_you_mean(name, [*EFFECTS, "parallel", "mid_side", "plugin"]) or f"effects are {', '.join(EFFECTS)}"
        raise inner.fail(f"there is no effect '{name[:60]}'", hint)
    values = read(inner, {**EFFECTS[name].parameters, **STEP_FIELDS}, name)
    bypass, wet = bool(values.pop("bypass", False)), float(values.pop("wet", 1.0))
    return Effect(name, values, bypass=bypass, wet=wet)


def _buses(node: Node | None) -> dict[str, Bus]:
    buses: dict[str, Bus] = {}
    for name, child in entries(node, "buses").items() if node else ():
        check(Node(name, child.line, child.source), SEND_FIELDS["from"], "the name of a bus")
        twin = next((other for other in buses if other.casefold() == name.casefold()), None)
        if twin:
            raise child.fail(f"buses '{twin}' and '{name}' differ only in case", "give one of them another name")
        buses[name] = _bus(child, name)
    _check_parents(node, buses)
    return buses


def _bus(node: Node, name: str) -> Bus:
    values: dict[str, Value] = read(node, BUS_FIELDS, f"bus '{name}'", inner=("reaper_fx", "adopt", "chain"))
    parts = entries(node, name)
    print_ = bool(values.pop("print", False))
    chain = _whole_chain(parts, "bus")
    if not print_ and any(not isinstance(step, Plugin) or not step.live for step in chain):
        raise parts["chain"].fail(
            f"bus '{name}' has a chain that nobody hears",
            "add 'print: true', or insert effects in REAPER: 'reaper_fx', or 'live: true' in a plugin's step",
        )
    return Bus(
        name,
        reaper_fx=_texts(parts.get("reaper_fx"), FX, "reaper_fx"),
        adopt=_texts(parts.get("adopt"), PATTERN, "adopt"),
        chain=chain,
        print_=print_,
        **values,  # type: ignore[arg-type]  # checked by BUS_FIELDS
    )


def _texts(node: Node | None, field: Field, what: str) -> tuple[str, ...]:
    return tuple(str(check(one, field, what)) for one in _items(node, what)) if node else ()


def _check_parents(node: Node | None, buses: Mapping[str, Bus]) -> None:
    order: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for name, child in entries(node, "buses").items() if node else ():
        parent = buses[name].parent
        if parent is None:
            continue
        if parent not in buses:
            raise _no_bus(entries(child, name)["parent"], parent, buses)
        order.add(name, parent)
    _no_loop(order, node, "buses are their own parents", "take one 'parent' out")


def _no_loop(order: graphlib.TopologicalSorter[str], node: Node | None, what: str, hint: str) -> None:
    try:
        order.prepare()
    except graphlib.CycleError as exc:
        assert node is not None, "what loops was written somewhere"
        raise node.fail(f"{what}: {' -> '.join(exc.args[1])}", hint) from exc


def _sends(node: Node | None, buses: Mapping[str, Bus]) -> tuple[Send, ...]:
    sends: list[Send] = []
    for child in _items(node, "sends") if node else ():
        values = read(child, SEND_FIELDS, "a send")
        source, target = str(values["from"]), str(values["to"])
        for key in ("from", "to"):
            if values[key] not in buses:
                raise _no_bus(entries(child, "a send")[key], str(values[key]), buses)
        into = buses[target]
        if not into.reaper_fx and not (into.chain if into.print_ else live_in(into.chain)):
            raise child.fail(
                f"the send to '{target}' meets no effect",
                f"give bus '{target}' an effect, such as 'reaper_fx: [ReaVerbate]'",
            )
        sends.append(
            Send(
                source,
                target,
                level_db=float(values.get("level_db", 0.0)),
                pan=float(values.get("pan", 0.0)),
                is_pre_fader=bool(values.get("pre_fader", False)),
            )
        )
        _check_loops(child, sends, buses)
    return tuple(sends)


def _check_loops(node: Node, sends: Sequence[Send], buses: Mapping[str, Bus]) -> None:
    order: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for send in sends:
        order.add(send.target, send.source)
    for bus in buses.values():
        if bus.parent is not None:
            order.add(bus.parent, bus.name)
    _no_loop(order, node, "this send closes a loop", "remove one send of the loop")


def _no_bus(node: Node, name: str, buses: Mapping[str, Bus]) -> Exception:
    hint = did_you_mean(name, buses) or f"declare it with 'buses: {{{name}: {{}}}}'"
    return node.fail(f"there is no bus '{name[:60]}'", hint)
