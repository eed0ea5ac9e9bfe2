"""Every open sound file, every resampling and every level meter: the only importer of soundfile and soxr.

Doors: `header` (is this container complete?), `read` (frame ranges of a sound file), `write` (blocks to a sound file),
`chunks` (bext, cue, iXML), `resample` (streams that keep length and alignment), `meter` (peak, RMS, LUFS).
"""
