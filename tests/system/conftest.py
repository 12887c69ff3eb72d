"""What system tests get: a folder of sessions of their own, a session, and a look at what they left behind."""

from __future__ import annotations

from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.control import StatusReader
from tests.helpers.homes import own_home, session_of_two


@pytest.fixture(scope="session")
def status_reader() -> Iterator[StatusReader]:
    """Reads the status of sessions."""
    reader = StatusReader()
    yield reader
    reader.close()


@pytest.fixture(autouse=True)
def home(status_reader: StatusReader) -> Iterator[str]:
    """A folder for this test's sessions. Folders whose modules have one session each override both fixtures."""
    with own_home() as folder:
        yield folder


@pytest.fixture
def session(home: str) -> Iterator[cellray.Session]:
    """A session of two CPUs and 200 MB."""
    with session_of_two() as started:
        yield started
