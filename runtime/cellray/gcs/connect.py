"""Proves an address before a session relies on it: it answers, lets us in, is recent enough, keeps its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.clients import make_client
from cellray.gcs.faults import explain, server_faults

VERSION_MIN = (6, 2)


class ServerInfo(NamedTuple):
    """What a probed server says of itself. `is_durable`: whether it would have its data after a restart."""

    version: str
    is_durable: bool


def probe(address: GcsAddress, timeout_s: float) -> ServerInfo:
    """Raises GcsUnavailableError with one sentence that says what was tried, what came back and what to do."""
    client = make_client(address, timeout_s)
    try:
        info = client.info()
    except server_faults() as error:
        raise explain(address, error) from None
    finally:
        client.close()
    return check_info(address, info)


def check_info(address: GcsAddress, info: Mapping[str, Any]) -> ServerInfo:
    """Judge the answer to INFO, as redis-py parsed it."""
    version = str(info.get("redis_version", ""))
    numbers = version.split(".")
    if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
        raise GcsUnavailableError(
            f"what listens at {address} does not say which Redis version it is. Use a Redis server."
        )
    if (int(numbers[0]), int(numbers[1])) < VERSION_MIN:
        raise GcsUnavailableError(f"the Redis server at {address} is version {version}; use 6.2 or newer.")
    if info.get("redis_mode") == "cluster":
        raise GcsUnavailableError(
            f"the Redis server at {address} is part of a Redis Cluster, which is not supported; use a single server."
        )
    if info.get("role") == "slave":
        raise GcsUnavailableError(
            f"the Redis server at {address} is a replica and takes no writes; give the address of its primary "
            f"({info.get('master_host')}:{info.get('master_port')})."
        )
    policy = str(info.get("maxmemory_policy", ""))
    if info.get("maxmemory") and policy.startswith("allkeys-"):
        raise GcsUnavailableError(
            f"the Redis server at {address} may throw away the event log when its memory is full "
            f"(maxmemory-policy {policy}); set maxmemory-policy to noeviction."
        )
    return ServerInfo(version, is_durable=bool(info.get("aof_enabled") or info.get("connected_slaves")))
