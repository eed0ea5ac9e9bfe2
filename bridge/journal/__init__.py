"""What happened to every render, kept across kills: states, attempts, keys, drops. One writer, one thread.

Door: `journal` (`open_journal`, `Journal`, `read_works`). Behind it: `folders` (inboxes, and marks of folders), `store`
(the database), `rows` (a work as a row), `lock` (one instance per folder).
"""
