"""From YAML to a validated graph, and the catalog of effects as data. Knows no pedalboard.

Doors: `catalog` (effects, parameters, ranges), `loader` (text to Preset), `library` (find, list, schema, new).
"""
