"""Folders for the sessions of a test, or of a whole module, and a look at what they left behind."""

from __future__ import annotations

import contextlib
import gc
import shutil
import tempfile
from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.leaks import HOME, OwnResources, wait_nothing_left

ARENA_BYTES = 200_000_000


@contextlib.contextmanager
def own_home() -> Iterator[str]:
    """A folder for sessions. At the end they are shut down, and nothing of them may be left."""
    # Not pytest's own folder: paths of Unix sockets are short.
    folder = tempfile.mkdtemp(prefix="cr-")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOME, folder)
        environment.delenv("CELLRAY_ADDRESS", raising=False)
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


@contextlib.contextmanager
def session_of_two() -> Iterator[cellray.Session]:
    """A session of two CPUs and 200 MB."""
    started = cellray.init(num_cpus=2, object_store_memory=ARENA_BYTES, log_to_driver=False)
    yield started
    cellray.shutdown()
