"""Names, staging, manifest and publishing of a drop.

Doors: `names` (safe names), `plan` (what a drop will hold), `stage` (writing it), `manifest` (drop.json), `publish` (one rename).
"""
