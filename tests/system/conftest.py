"""What system tests get: a folder of sessions of their own, a session, and a look at what they left behind."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.control import StatusReader
from tests.helpers.leaks import HOME, OwnResources, wait_nothing_left

ARENA_BYTES = 200_000_000


@pytest.fixture(scope="session")
def status_reader() -> Iterator[StatusReader]:
    """Reads the status of sessions."""
    reader = StatusReader()
    yield reader
    reader.close()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, status_reader: StatusReader) -> Iterator[str]:
    """A folder for this test's sessions. When the test has ended, nothing of them may be left."""
    # Not pytest's own folder: paths of Unix sockets are short.
    folder = tempfile.mkdtemp(prefix="cr-")
    monkeypatch.setenv(HOME, folder)
    monkeypatch.delenv("CELLRAY_ADDRESS", raising=False)
    gc.collect()
    own = OwnResources()
    try:
        yield folder
        cellray.shutdown()
        wait_nothing_left(folder)
        gc.collect()
        own.check()
    finally:
        cellray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def session(home: str) -> Iterator[cellray.Session]:
    """A session of two CPUs and 200 MB."""
    started = cellray.init(num_cpus=2, object_store_memory=ARENA_BYTES, log_to_driver=False)
    yield started
    cellray.shutdown()
