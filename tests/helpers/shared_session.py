"""Fixtures for folders of tests whose modules have one session each: a conftest re-exports them."""

from __future__ import annotations

from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.control import StatusReader
from tests.helpers.homes import own_home, session_of_two


@pytest.fixture(scope="module", autouse=True)
def home(status_reader: StatusReader) -> Iterator[str]:
    """A folder for this module's session. When the module has ended, nothing may be left."""
    with own_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def session(home: str) -> Iterator[cellray.Session]:
    """Two CPUs and 200 MB; ends with the module."""
    with session_of_two() as started:
        yield started
