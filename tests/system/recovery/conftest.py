"""One session a module, with little shared memory."""

from __future__ import annotations

from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.shared_session import home

__all__ = ["home", "session"]


@pytest.fixture(scope="module", autouse=True)
def session(home: str) -> Iterator[cellray.Session]:
    """Two CPUs and 64 MB; ends with the module."""
    with cellray.init(num_cpus=2, object_store_memory=64 << 20, log_to_driver=False) as started:
        yield started
