"""What the contract suites share: a real server for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures_redis import RedisServer, running_redis


@pytest.fixture(scope="session")
def redis_instance() -> Iterator[RedisServer]:
    """One redis-server for all contract tests; each takes a session id of its own."""
    with running_redis() as server:
        yield server
