"""Values that flow through the product: frozen, no I/O, numpy at most.

Doors: `render` (Render, AudioFormat, Marker, Origin), `stems` (names, StemBlock), `preset` (Preset and its parts),
`job` (Job and its options), `events` (what a running job reports), `drop` (DropPlan, Staged, Drop),
`session` (SessionPlan and its parts).
"""
