"""Folders for the sessions of a test, or of a whole module, and a look at what they left behind."""

from __future__ import annotations

import contextlib
import gc
import shutil
import tempfile
from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.leaks import GONE_S_MAX, HOME, OwnResources, wait_nothing_left

ARENA_BYTES = 200_000_000


ARCHIVE_BYTES_MAX = 1_000_000_000
FINISH_S_MAX = 60.0
"""What finishes a log after its session gives way to everything else on the machine."""


@contextlib.contextmanager
def own_home(*, archive: bool = False) -> Iterator[str]:
    """A folder for sessions. At the end they are shut down, and nothing of them may be left; with `archive` their logs
    stay until then."""
    # Not pytest's own folder: paths of Unix sockets are short.
    folder = tempfile.mkdtemp(prefix="cr-")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOME, folder)
        environment.delenv("CELLRAY_ADDRESS", raising=False)
        if archive:
            environment.setenv("CELLRAY_LOG_ARCHIVE_BYTES_MAX", str(ARCHIVE_BYTES_MAX))
        gc.collect()
        own = OwnResources()
        try:
            yield folder
            cellray.shutdown()
            wait_nothing_left(folder, FINISH_S_MAX if archive else GONE_S_MAX)
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
