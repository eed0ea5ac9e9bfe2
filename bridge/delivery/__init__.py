"""Names, staging, manifest and publishing of a drop.

Doors: `names` (safe names), `plan` (what a drop will hold), `stage` (the folder before it is one), `stemfiles` and
`encode` (its sound), `check` (the proof of the sum), `manifest` (drop.json), `publish` (one rename).
"""
