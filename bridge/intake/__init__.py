"""From paths and folders to complete renders; knows time, names and sizes, and of sound only what its container says.

Doors: `select` (which files are renders), `snapshot` (a private copy that cannot change); for watched folders `inbox`
(what lies there), `settle` and `ready` (may it be worked on), `sidecar` (what was written beside it), `watcher` (wake
when something happens), `folders` (are they fit).
"""
