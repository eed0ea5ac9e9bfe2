"""The child process that does the work, and the parent's side of it.

Doors: `client` (start a worker, run jobs), `protocol` (messages as JSON lines).
"""
