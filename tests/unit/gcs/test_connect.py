"""`gcs/connect.py`: what a server says of itself, and whether it will do."""

from __future__ import annotations

import pytest
from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.connect import check_info

ADDRESS = GcsAddress(host="db.example", username="me", password="hidden", database=2)
GOOD = {"redis_version": "6.2.14", "redis_mode": "standalone", "role": "master", "aof_enabled": 1, "maxmemory": 0}


def test_a_good_server_passes() -> None:
    assert check_info(ADDRESS, GOOD) == ("6.2.14", True)
    assert check_info(ADDRESS, GOOD | {"redis_version": "10.0.1", "aof_enabled": 0}) == ("10.0.1", False)
    # redis-py makes a number of what looks like one.
    assert check_info(ADDRESS, GOOD | {"redis_version": 7.2}).version == "7.2"
    assert check_info(ADDRESS, GOOD | {"aof_enabled": 0, "connected_slaves": 1}).is_durable


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"redis_version": "6.0.16"}, r"version 6\.0\.16; use 6\.2 or newer"),
        ({"redis_version": "6.1.240"}, "version 6"),
        ({"redis_version": "unknown"}, "does not say which Redis version"),
        ({"redis_mode": "cluster"}, "Redis Cluster"),
        ({"role": "slave", "master_host": "db1", "master_port": 6379}, r"replica .* primary \(db1:6379\)"),
        (
            {"maxmemory": 1000, "maxmemory_policy": "allkeys-lru"},
            "allkeys-lru.*set maxmemory-policy to noeviction",
        ),
    ],
)
def test_a_server_that_will_not_do_is_refused_with_the_reason(changes: dict[str, object], says: str) -> None:
    with pytest.raises(GcsUnavailableError, match=says):
        check_info(ADDRESS, GOOD | changes)


def test_a_limit_without_eviction_is_fine() -> None:
    check_info(ADDRESS, GOOD | {"maxmemory": 1000, "maxmemory_policy": "noeviction"})
