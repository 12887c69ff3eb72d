"""Facts about the log itself."""

from __future__ import annotations

import msgspec


class LogForgotten(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=100):
    """Records of the log with these sequences, the last one included, were given up, because the disk had no room."""

    first: int
    last: int
    at: float
    reason: str
