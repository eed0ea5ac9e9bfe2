"""What happened to every render, kept across kills: states, attempts, keys, drops. One writer, one thread.

Doors: `journal` (`open_journal`, `Journal`, `read_works`), `place` (is a folder on this machine?). Behind them: `store`
(the database), `rows` (a work as a row), `lock` (one instance per folder).
"""
