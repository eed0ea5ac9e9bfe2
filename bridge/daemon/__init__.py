"""The daemon: inboxes in, drops out, whatever happens in between. State decides, events only hint.

Doors: `loop` (`Daemon`), `control` (requests from commands and ReaScripts), `status` (what is told to them).
"""
