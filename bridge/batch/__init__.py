"""A whole library at once, with the worker and the journal of the daemon: plan, estimate, run, report.

Doors: `plan` (where each drop goes), `earlier` (what was done before), `estimate` (hours and disk), `run` (`Batch`),
`report` (CSV, JSON).
"""
