"""The child process that does the work, and the parent's side of it.

Doors: `client` (hand jobs to a worker), `protocol` (messages as JSON lines). Behind them: `child_process` and `family`
(start and end of the process and of all that it starts), `child` (what runs in it).
"""
