"""Draw the README's pictures from a real drop: what the terminal shows, and what `import.lua` lays out in REAPER.

    python -m docs.make_pictures            writes docs/terminal.svg and docs/session.svg

The session is drawn from the plan that `import.lua` carries, with the waveforms of the delivered files; it is no
screenshot of REAPER.
"""

from __future__ import annotations

import html
import io
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
WIDTH, ROW, HEAD, RIGHT = 960, 44, 264, 90
BACKGROUND, PANEL, INK, DIM = "#1f2226", "#2b2f35", "#e8e6e3", "#9aa0a6"
FONT = 'font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, sans-serif"'


def demo(folder: Path) -> tuple[str, Path]:
    """Run the demo and return what it said and the drop it made."""
    command = [str(Path(sys.executable).with_name("stem-bridge")), "demo", "--into", str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    said = (told.stderr + told.stdout).replace(str(folder), "stem-bridge-demo")
    return said, next((folder / "outbox").glob("*/drop.json")).parent


def terminal_picture(said: str, target: Path) -> None:
    """Write what the demo printed as a picture of a terminal."""
    console = Console(record=True, width=96, file=io.StringIO())
    console.print(Text("$ stem-bridge demo", style="bold"))
    for line in said.rstrip().splitlines():
        style = "bold green" if re.match(r"(null|SDR|speed)\b", line) else "dim" if line.startswith("  ") else ""
        console.print(Text(line, style=style))
    target.write_text(console.export_svg(title="stem-bridge"), encoding="utf-8")


def waveform(path: Path, left: float, top: float, width: float, color: str, seconds: float) -> str:
    """Draw a file's envelope as one polygon."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = np.abs(samples).max(axis=1)
    columns = int(width * len(mono) / rate / seconds)
    peaks = np.array([part.max() for part in np.array_split(mono, max(2, columns))])
    middle, half = top + ROW / 2, (ROW - 12) / 2
    xs = left + np.arange(len(peaks))
    upper = [f"{x:.0f},{middle - half * min(1.0, peak * 1.4):.1f}" for x, peak in zip(xs, peaks, strict=True)]
    lower = [f"{x:.0f},{middle + half * min(1.0, peak * 1.4):.1f}" for x, peak in zip(xs, peaks, strict=True)]
    box = (
        f'<rect x="{left}" y="{top + 3}" width="{len(peaks)}" height="{ROW - 6}" rx="3" fill="{color}" opacity=".28"/>'
    )
    return f'{box}<polygon points="{" ".join(upper + lower[::-1])}" fill="{color}"/>'


def session_picture(drop: Path, target: Path) -> None:
    """Draw tracks, buses and items as the import lays them out."""
    from lupa import lua54

    text = (drop / "import.lua").read_text(encoding="utf-8")
    literal = re.search(r"\nlocal DATA = (\{.*?\n\})\n", text, re.DOTALL)
    assert literal is not None
    lua = lua54.LuaRuntime(unpack_returned_tuples=True)
    tracks = [plain(track) for track in lua.execute(f"return {literal[1]}").tracks.values()]
    names = {track["id"]: track["name"] for track in tracks}
    seconds = max(track["item"]["seconds"] for track in tracks if track.get("item"))
    height = ROW * len(tracks) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT} font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
    ]
    for number, track in enumerate(tracks):
        parts.append(track_row(track, number * ROW + 4, names, drop, seconds))
    target.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def track_row(track: dict[str, Any], top: float, names: dict[str, str], drop: Path, seconds: float) -> str:
    """Draw one track: name, colour, where it goes, and its item."""
    color = "#{:02x}{:02x}{:02x}".format(*track["color"].values()) if track.get("color") else DIM
    muted = " (muted)" if track["mute"] else ""
    route = f"→ {names[track['bus']]}" if track.get("bus") else "→ master"
    fx = ", ".join(one["name"] for one in track["fx"].values()) if track.get("fx") else ""
    row = [
        f'<rect x="4" y="{top}" width="{WIDTH - 8}" height="{ROW - 3}" rx="4" fill="{PANEL}"/>',
        f'<rect x="4" y="{top}" width="7" height="{ROW - 3}" rx="3" fill="{color}"/>',
        f'<text x="22" y="{top + 18}" fill="{INK}" font-weight="600">{html.escape(track["name"] + muted)}</text>',
        f'<text x="22" y="{top + 34}" fill="{DIM}" font-size="11">{html.escape(fx or route)}</text>',
    ]
    if track.get("item"):
        first = next(iter(track["item"]["takes"].values()))["file"]
        width = WIDTH - HEAD - RIGHT
        row.append(waveform(drop / first, HEAD, top - 1, width, DIM if track["mute"] else color, seconds))
        takes = len(track["item"]["takes"])
        note = f"{takes} takes" if takes > 1 else "1 take"
        row.append(f'<text x="{WIDTH - RIGHT + 12}" y="{top + 25}" fill="{DIM}" font-size="11">{note}</text>')
    return "".join(row)


def plain(table: Any) -> Any:
    """Turn Lua tables into dicts, one level after the other."""
    return {key: plain(value) for key, value in table.items()} if hasattr(table, "items") else table


def main() -> None:
    """Write both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        said, drop = demo(Path(folder))
        terminal_picture(said, HERE / "terminal.svg")
        session_picture(drop, HERE / "session.svg")
        manifest = json.loads((drop / "drop.json").read_text(encoding="utf-8"))
        print(f"docs/terminal.svg, docs/session.svg ({manifest['model']['name']}, preset {manifest['preset']['name']})")


if __name__ == "__main__":
    main()
