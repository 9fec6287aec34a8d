"""Seeded random streams: one for each combination of keys, the same on every machine and day."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """An independent stream for a seed (>= 0) and its keys.

    Texts enter by their CRC-32, because Python salts its own hash anew in every process. Streams of
    different keys do not touch each other, so that a name keeps its path whatever stands beside it.
    """
    numbers = [zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *numbers])))
