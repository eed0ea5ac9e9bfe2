"""Makes api.json: of a full description of the ReaScript API, only what the stand-in checks.

    python tests/reaper/make_api.py reascript_api.json > tests/reaper/api.json

The input lists every function with its Lua signature, the first SDK header that holds it, and the keys of the Get/Set
functions. Where its facts come from is copied into `sources`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def argument(entry: dict[str, Any]) -> list[object]:
    """Give a name, a type, and whether it may be left out or nil."""
    is_free = any(entry.get(word) for word in ("optional", "nil_ok", "accepts_nil_or_0"))
    return [entry["name"], entry["type"], is_free]


def compact(full: dict[str, Any]) -> dict[str, Any]:
    """Keep the Lua functions (arguments, return types, first version) and the keys with their read-only mark."""
    functions = {
        entry["name"]: {
            "args": [argument(one) for one in entry["lua"]["args"]],
            "returns": [one["type"] for one in entry["lua"]["returns"]],
            "since": (entry.get("since") or {}).get("first_in_sdk"),
        }
        for entry in full["functions"]
        if entry["lua"]
    }
    keys = {
        function: {key["key"]: bool(key.get("read_only")) for key in entries}
        for function, entries in full["parmnames"].items()
    }
    sources = [
        {
            word: source[word]
            for word in ("repo", "commit", "date", "path", "version", "licence", "note")
            if word in source
        }
        for source in full["meta"]["sources"]
    ]
    return {"reaper": full["meta"]["reaper_version"], "sources": sources, "functions": functions, "keys": keys}


if __name__ == "__main__":
    api = compact(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    lines = [
        f"{json.dumps('reaper')}: {json.dumps(api['reaper'])}",
        f'"sources": {json.dumps(api["sources"], indent=1)}',
    ]
    for part in ("functions", "keys"):
        entries = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in api[part].items())
        lines.append(f'"{part}": {{\n{entries}\n}}')
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
