"""What happened to every render, kept across kills: states, attempts, keys, drops. One writer, one thread.

Doors: `journal` (`open_journal`, `Journal`, `read_works`), `lock` (one instance per folder), `store` (the database:
its migrations, its integrity, its refusals in words).
"""
