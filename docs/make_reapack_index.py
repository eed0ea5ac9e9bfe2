"""Makes index.xml, by which ReaPack offers the scripts of this repository.

    python docs/make_reapack_index.py OWNER/REPOSITORY COMMIT > index.xml

One package for each script without `@noindex`; every file is named by the commit, percent-encoded. The rules are those
of reapack-index 1.2.6: tags stand above the code, files with `@noindex` are part of others, no file is part of two
packages (ReaPack would install only the first), a `@metapackage` holds only what it provides, `[main]` puts a file into
the action list, `[nomain]` keeps it out. Only what the scripts here use of these rules is known; the rest is refused.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Package", "index", "read_package"]

ROOT = Path(__file__).resolve().parent.parent / "reaper_scripts"
AUTHOR = "Stem Bridge"
_TAG = re.compile(r"-- @(\w+) ?(.*)")
_VERSION = re.compile(r"\d[\w.]*")
_KNOWN = {"description", "version", "changelog", "about", "provides", "metapackage"}
_ILLEGAL = re.compile(r'[*\\:<>?/|"\x00-\x1f]')


@dataclass(frozen=True)
class Package:
    """What ReaPack offers under one name."""

    path: Path
    description: str
    version: str
    about: str
    changelog: str
    actions: tuple[Path, ...]
    files: tuple[Path, ...]
    """Part of it, and no actions."""


def read_package(path: Path) -> Package | None:
    """Read the header of a script; None for a file that is part of others. Raises ValueError for a wrong header."""
    tags = _tags(path.read_text(encoding="utf-8"))
    if "noindex" in tags:
        return None
    if unknown := sorted(tags.keys() - _KNOWN):
        raise ValueError(f"{path.name}: unknown tag @{unknown[0]}")
    version = tags.get("version", "")
    if not _VERSION.fullmatch(version) or any(int(number) > 65535 for number in re.findall(r"\d+", version)):
        raise ValueError(f"{path.name}: '{version}' is no version")
    if _ILLEGAL.search(path.name) or path.name[0] in ". " or path.name[-1] in ". ":
        raise ValueError(f"{path.name}: not a name for every system")
    provided = [one for line in tags.get("provides", "").splitlines() for one in _provided(path, line)]
    actions = [] if "metapackage" in tags else [path]
    actions += [file for file, is_action in provided if is_action]
    files = [file for file, is_action in provided if not is_action]
    about, changelog = tags.get("about", ""), tags.get("changelog", "")
    return Package(path, tags["description"], version, about, changelog, tuple(actions), tuple(files))


def _tags(text: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if found := _TAG.match(line):
            name = found[1]
            tags[name] = found[2].strip()
        elif name and line.startswith("--   "):
            tags[name] = f"{tags[name]}\n{line[5:]}".strip("\n")
        else:
            name = ""
    return tags


def _provided(path: Path, line: str) -> Iterator[tuple[Path, bool]]:
    """Give the files that a line names, and whether they are actions."""
    found = re.fullmatch(r"\[(main|nomain)\] ([^>]+)", line.strip())
    files = sorted(path.parent.glob(found[2])) if found else []
    if not found or not files:
        raise ValueError(f"{path.name}: '{line}' provides nothing")
    for file in files:
        yield file, found[1] == "main"


def index(root: Path, repository: str, commit: str, when: str) -> str:
    """Write the index of all packages below `root`, in order; `when` is the time of the commit, ISO 8601, UTC."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<index version="1" name="Stem Bridge" commit={quoteattr(commit)}>',
    ]
    owners: dict[Path, str] = {}
    for category in sorted(path for path in root.iterdir() if path.is_dir() and any(path.glob("*.lua"))):
        lines.append(f"  <category name={quoteattr(category.name)}>")
        for path in sorted(category.glob("*.lua")):
            package = read_package(path)
            if package is not None:
                for file in (*package.actions, *package.files):
                    if owners.setdefault(file, package.path.name) != package.path.name:
                        raise ValueError(f"{file.name} is part of {owners[file]} and of {package.path.name}")
                lines += _entry(root, package, f"https://github.com/{repository}/raw/{commit}/{root.name}/", when)
        lines.append("  </category>")
    return "\n".join([*lines, "</index>", ""])


def _entry(root: Path, package: Package, base: str, when: str) -> Iterator[str]:
    def url(path: Path) -> str:
        return escape(base + quote(path.relative_to(root).as_posix()))

    folder = package.path.parent
    yield f'    <reapack name={quoteattr(package.path.name)} type="script" desc={quoteattr(package.description)}>'
    yield f"      <metadata><description><![CDATA[{_rtf(package.about)}]]></description></metadata>"
    yield f"      <version name={quoteattr(package.version)} author={quoteattr(AUTHOR)} time={quoteattr(when)}>"
    if package.changelog:
        yield f"        <changelog><![CDATA[{package.changelog.replace(']]>', ']] >')}]]></changelog>"
    for file in (*package.actions, *package.files):
        name = "" if file == package.path else f" file={quoteattr(file.relative_to(folder).as_posix())}"
        is_main = ' main="main"' if file in package.actions else ""
        yield f"        <source{is_main}{name}>{url(file)}</source>"
    yield "      </version>"
    yield "    </reapack>"


def _rtf(text: str) -> str:
    """Write plain text as RTF; lines of one paragraph are joined, headings bold."""
    parts = []
    for paragraph in re.sub(r"\n(?!\n|#)", " ", re.sub(r"(#[^\n]*)\n", r"\1\n\n", text)).split("\n"):
        plain = "".join(
            char if ord(char) < 128 else f"\\u{ord(char)}?" for char in re.sub(r"([\\{}])", r"\\\1", paragraph)
        )
        heading = plain.lstrip("# ")
        parts.append(f"{{\\b {heading}\\par}}" if plain.startswith("#") else f"{plain.strip()}\\par")
    return "{\\rtf1\\ansi " + "".join(parts) + "}"


def main() -> None:
    """Print the index for one commit of a repository."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", metavar="OWNER/REPOSITORY")
    parser.add_argument("commit")
    given = parser.parse_args()
    command = [
        "git",
        "-C",
        str(ROOT),
        "show",
        "-s",
        "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
        "--format=%cd",
        given.commit,
    ]
    when = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"TZ": "UTC"}
    ).stdout.strip()
    sys.stdout.write(index(ROOT, given.repository, given.commit, when))


if __name__ == "__main__":
    main()
