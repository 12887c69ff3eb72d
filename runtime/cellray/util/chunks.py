"""Items in lists of one size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any


def chunked(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """The last list may be shorter."""
    while chunk := list(itertools.islice(items, size)):
        yield chunk
