"""The child process that does the work, and the parent's side of it.

Doors: `client` (hand jobs to a worker), `protocol` (messages as JSON lines). Behind them: `child_process` (its
start, its pipes, its end), `process_tree` (the end of all that it started), `child` (what runs in it).
"""
