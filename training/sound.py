"""What all sounds of the training are: float32 (frames, 2) at 44.1 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["RATE", "Sound"]

RATE = 44100
Sound = npt.NDArray[np.float32]
"""(frames, 2)"""
