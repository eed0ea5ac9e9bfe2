"""Stem Bridge: render in the DAW; get stems, processed and back in the session, on the right buses."""

__version__ = "0.1.0"
