"""From paths and folders to complete renders; knows time, names and sizes, not sound.

Doors: `select` (which files are renders), `snapshot` (a private copy that cannot change).
"""
