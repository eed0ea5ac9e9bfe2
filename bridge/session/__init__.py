"""From a drop to text that a DAW reads.

Doors: `plan` (tracks, buses, routes, items), `reascript` (import.lua), `lua` (values to Lua literals).
"""
