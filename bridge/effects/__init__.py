"""From dry stems to processed stems: the only importer of pedalboard.

Doors: `graph` (a preset bound to stems; says what prints, streams it block by block), `plugins` (the user's own).
"""
