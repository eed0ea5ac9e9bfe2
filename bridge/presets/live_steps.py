"""Where a plugin may be live: behind all that is printed, so that the session sounds as if it had been printed too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.domain.preset import Bus, Chain, Effect, Instrument, MidSide, Parallel, Plugin, Send, StemPreset, Step
from bridge.presets.fields import entries
from bridge.strict_yaml import Node

__all__ = ["check_chain", "check_printed_buses", "live_in"]


def live_in(chain: Chain) -> tuple[Plugin, ...]:
    """Return the plugins of a chain that a session gets, in order."""
    return tuple(step for step in chain if isinstance(step, Plugin) and step.live and not step.is_off)


def check_chain(node: Node, chain: Chain, *, has_reference: bool) -> None:
    """Hold a chain, written at `node`, against what a session can do. Raises the node's error."""
    lines = node.value if isinstance(node.value, tuple) else ()
    last: Plugin | None = None
    for step, line in zip(chain, lines, strict=True):
        if _holds_live(step):
            raise line.fail(
                "a live plugin stands inside 'parallel' or 'mid_side', which is printed",
                "move it to the end of the chain, or take 'live' out",
            )
        if isinstance(step, Plugin) and step.live:
            last = last if step.is_off else step
        elif last is not None and not _is_off(step):
            raise line.fail(
                f"this step is printed, and the live plugin {last.path} before it is not: it would be heard last",
                "move live plugins to the end of the chain, or take 'live' out",
            )
    if last is not None and has_reference:
        raise node.fail(
            f"the live plugin {last.path} cannot hear the stem at 'reference_lufs': in a session it has its own level",
            "take 'reference_lufs' out, or 'live'",
        )


def check_printed_buses(
    node: Node,
    stems: Mapping[str, StemPreset],
    instruments: Mapping[str, Instrument],
    buses: Mapping[str, Bus],
    sends: Sequence[Send],
) -> None:
    """Refuse printed buses whose file would lack what is live before them; `node` holds the buses."""
    mixes = [*stems.items(), *((name, one.mix) for name, one in instruments.items())]
    for bus in buses.values():
        if not bus.print_:
            continue
        before = _before(bus.name, buses, sends)
        live = [(name, live_in(mix.chain)) for name, mix in mixes if mix.bus in before]
        live += [(name, live_in(buses[name].chain)) for name in sorted(before)]
        for name, plugins in live:
            if plugins:
                raise entries(node, "buses")[bus.name].fail(
                    f"bus '{bus.name}' is printed: its file would lack the live plugin {plugins[0].path} of '{name}'",
                    "take 'live' out there, or 'print' here",
                )


def _before(bus: str, buses: Mapping[str, Bus], sends: Sequence[Send]) -> set[str]:
    """Collect a bus and all that it hears."""
    found, new = set[str](), {bus}
    while new:
        found |= new
        new = {one.name for one in buses.values() if one.parent in found}
        new |= {send.source for send in sends if send.target in found}
        new -= found
    return found


def _holds_live(step: Step) -> bool:
    match step:
        case Parallel():
            inner = [one for branch in step.branches for one in branch]
        case MidSide():
            inner = [*step.mid, *step.side]
        case _:
            return False
    return any(_holds_live(one) or (isinstance(one, Plugin) and one.live) for one in inner)


def _is_off(step: Step) -> bool:
    match step:
        case Plugin():
            return step.is_off
        case Effect():
            return step.bypass or step.wet <= 0.0
        case _:
            return False
