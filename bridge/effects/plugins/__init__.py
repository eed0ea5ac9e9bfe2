"""The user's own plugins, each in a process of its own: found, scanned, tried, run, and blamed when they fail.

Doors: `rack` (plugins as steps of chains), `scan` (what lies in the folders), `blame` (what is on the block list).
"""
