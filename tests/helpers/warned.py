"""Warnings that a driver gets from its session: they come on another thread, and are errors elsewhere."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator

from tests.helpers.polling import eventually


@contextlib.contextmanager
def warned(pattern: str) -> Iterator[None]:
    """The driver is warned so, within a while."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
        try:
            eventually(
                lambda: any(re.search(pattern, str(each.message)) for each in caught), f"a warning like {pattern}"
            )
        except AssertionError as error:
            error.add_note(f"there was: {[str(each.message) for each in caught]}")
            raise
