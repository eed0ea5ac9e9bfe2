"""Recorded instruments from the npm registry: samples of tonejs-instruments (Nicholaus Brosowsky), CC BY 3.0.

Each package is one instrument, a file for every few notes ("As3.mp3"); fetched once, checked by SHA-256, kept in a
cache.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import urllib.request
from pathlib import Path

__all__ = ["INSTRUMENTS", "samples"]

CACHE = Path("out/train/instruments")
REGISTRY = "https://registry.npmjs.org/{name}/-/{name}-{version}.tgz"
INSTRUMENTS = {
    "bass-electric": ("1.1.2", "7325081bfa65c00e33bf1d313ad426f55b84cffbcd80eaa992e24a1be8aee93c"),
    "bassoon": ("1.1.2", "7bf7857dd8e235cfbeae7b0ed691b8f0b3315dbc6eb65f7c9733b632b8d5b6f6"),
    "cello": ("1.1.1", "faddba054246478b8074d5f8b0182640b7f80caab457d580042a3db16d6b2192"),
    "clarinet": ("1.1.2", "fb2dd7ffb98f902bb4ad307d2eb4ea1ccca2963f0db04f805d5ebfade94ed55e"),
    "contrabass": ("1.1.2", "105a41e16e413ba3d0db2488e0012d449ff9b99eeff90cd2ed902c4ee3114faa"),
    "flute": ("1.1.2", "d31e8938982200c3a7b295945a2526752f62f3779f1c71ae6be1f0cc96369396"),
    "french-horn": ("1.1.2", "4b64503764017ce681e99585893515206de6d9765e1de1745bc86b540ecbf0ac"),
    "guitar-acoustic": ("1.1.2", "8e8708d63a7a24854781a74202742f8130eca5a68e9880cb8c95db2e9c0705ff"),
    "guitar-electric": ("1.1.1", "166600df07ea0deb369b195be08d198f21da3318bf29765dd35a0800ef61b070"),
    "guitar-nylon": ("1.1.1", "87328e71336dd5ef6cae0f24e3b8065302df986c914a799917fb45596e521aaa"),
    "harmonium": ("1.1.1", "0984c0389c8592d8288bdb2e9b2b905caf89fada3b611809afd8e71d367010c9"),
    "harp": ("1.1.1", "9100d5266a6e5c061ed509e1987144836b5d5106fd36b276cca510d5871a4f27"),
    "organ": ("1.1.1", "b8268276de3d1f514cea405636aee1d977e33ce6ea531bfd262d23056d4489e1"),
    "piano": ("1.1.2", "d564aa1c9cb691aa6816052924568cf40033ee5be3e32852872b4dcf93ecb446"),
    "saxophone": ("1.1.2", "5871de2f8445199495d1cf2d6a404c4159807b9681197c9fb7fc1555934e3bbc"),
    "trombone": ("1.1.2", "44c2d798aa41491d7b597d7213c969326f2477fec0f498ed221bdbafed25e46b"),
    "trumpet": ("1.1.2", "da360305defe60c3f92470d44264738aa13279c60b074fb8f10e1286c5cc7355"),
    "tuba": ("1.1.2", "35c0c30a9387bb4b89fd17192b26a68a72a8268b9de650fdb6f09ef1cfd00cb0"),
    "violin": ("1.1.1", "9e6cd2495e894adbed3b55061871711bc888cdf44209ee6164b70adfa0b7764c"),
    "xylophone": ("1.1.2", "c844fd335174b767856d05af77621b00077b885f3af8704dbf5d381ed6ee5505"),
}
"""Instrument to version and SHA-256 of its package."""
NOTE = re.compile(r"([A-G])(s?)(-?\d)(?: v\d)?\.mp3")
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def samples(instrument: str, cache: Path = CACHE) -> dict[int, Path]:
    """Return MIDI note to file, fetching the instrument when it is not there; ValueError when it is not as pinned."""
    version, wanted = INSTRUMENTS[instrument]
    folder = cache / f"{instrument}-{version}"
    if not folder.is_dir():
        url = REGISTRY.format(name=f"tonejs-instrument-{instrument}-mp3", version=version)
        with urllib.request.urlopen(url, timeout=120) as answer:
            package = answer.read()
        if hashlib.sha256(package).hexdigest() != wanted:
            raise ValueError(f"{url} is not the package that was pinned: SHA-256 {wanted} expected")
        part = folder.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(package)) as archive:
            for entry in archive:
                found = NOTE.fullmatch(Path(entry.name).name)
                if found and (data := archive.extractfile(entry)) is not None:
                    (part / found[0]).write_bytes(data.read())
        part.rename(folder)
    return {pitch(file.name): file for file in sorted(folder.glob("*.mp3"))}


def pitch(name: str) -> int:
    """Return the MIDI note of a file name; C4 is 60."""
    found = NOTE.fullmatch(name)
    if not found:
        raise ValueError(name)
    return 12 * (int(found[3]) + 1) + SEMITONES[found[1]] + bool(found[2])
