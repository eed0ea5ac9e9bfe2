"""The order of the work, from a render to a complete staging folder. Imported by the worker child alone.

Doors: `process` (the page where the order can be read), `separators` (models that stay loaded between jobs).
"""
