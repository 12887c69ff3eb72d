"""What is large enough to be stored once and passed on as a reference."""

from __future__ import annotations

import sys
from typing import Any

SHARED_BYTES_MIN = 100_000
"""Values of this size and above are worth an object of their own."""


def is_large(value: Any) -> bool:
    """For what knows its own size; lists and dicts of small things count as small."""
    nbytes = getattr(value, "nbytes", None)
    return (nbytes if isinstance(nbytes, int) else sys.getsizeof(value)) >= SHARED_BYTES_MIN
