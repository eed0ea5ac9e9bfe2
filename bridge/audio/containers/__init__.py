"""What each kind of sound file says about itself, read from its bytes alone: no numpy, no library.

One module per family (`riff`, `wave64`, `aiff`, `flac`, `ogg`, `mpeg`, `mp4`), each with `parse(source) -> Header`;
`source` holds the bounded view of a file that all of them read through, and the limits they share.
"""
