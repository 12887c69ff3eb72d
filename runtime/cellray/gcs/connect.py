"""Proves an address before a session relies on it: it answers, lets us in, is recent enough, keeps its data."""

from __future__ import annotations

from typing import NamedTuple

from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.connection import Connection
from cellray.gcs.faults import refused
from cellray.gcs.resp import ErrorReply, Reply

VERSION_MIN = (6, 2)


class ServerInfo(NamedTuple):
    """What a probed server says of itself. `is_durable`: whether it would have its data after a restart."""

    version: str
    is_durable: bool


def probe(address: GcsAddress, timeout_s: float) -> ServerInfo:
    """Raises GcsUnavailableError with one sentence that says what was tried, what came back and what to do."""
    connection = Connection(address, timeout_s)
    try:
        replies = connection.execute((b"INFO",), timeout_s=timeout_s)
    finally:
        connection.close()
    return check_info(address, replies[0])


def check_info(address: GcsAddress, reply: Reply) -> ServerInfo:
    """Judge the answer to INFO."""
    if isinstance(reply, ErrorReply):
        raise refused(address, reply)
    info = parse_info(reply) if isinstance(reply, bytes) else {}
    version = info.get("redis_version", "")
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
            f"({info.get('master_host', 'unknown')}:{info.get('master_port', '')})."
        )
    if info.get("maxmemory", "0") != "0" and info.get("maxmemory_policy", "").startswith("allkeys-"):
        raise GcsUnavailableError(
            f"the Redis server at {address} may throw away the event log when its memory is full "
            f"(maxmemory-policy {info['maxmemory_policy']}); set maxmemory-policy to noeviction."
        )
    has_replica = info.get("role") == "master" and info.get("connected_slaves", "0") != "0"
    return ServerInfo(version, is_durable=info.get("aof_enabled") == "1" or has_replica)


def parse_info(reply: bytes) -> dict[str, str]:
    """The `name:value` lines of INFO."""
    lines = reply.decode(errors="replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}
