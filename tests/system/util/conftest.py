"""One session a module: what is tested here lies above the verbs, which are tested one folder up."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.leaks import HOME, OwnResources, wait_nothing_left


@pytest.fixture(scope="module", autouse=True)
def home() -> Iterator[str]:
    """A folder for this module's session. When the module has ended, nothing may be left."""
    folder = tempfile.mkdtemp(prefix="cr-")
    own = OwnResources()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, folder)
        patch.delenv("CELLRAY_ADDRESS", raising=False)
        try:
            yield folder
            cellray.shutdown()
            wait_nothing_left(folder)
            own.check()
        finally:
            cellray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def session(home: str) -> cellray.Session:
    """Two CPUs and 200 MB; ends with the module."""
    return cellray.init(num_cpus=2, object_store_memory=200_000_000, log_to_driver=False)
