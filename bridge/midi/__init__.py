"""From MIDI to what a session needs, and back: the only importer of mido.

Doors: `tempo` (tempo map and markers of a project, as standard MIDI files hold them).
"""
