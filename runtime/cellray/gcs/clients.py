"""redis-py clients for an address, for those who read; importing redis-py is left to the first call (60 ms)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellray.gcs.address import GcsAddress

if TYPE_CHECKING:
    import redis


def make_client(address: GcsAddress, timeout_s: float) -> redis.Redis:
    """A blocking client; connects with its first command. `timeout_s` bounds connecting and each answer."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis(**_settings(address, timeout_s), retry=Retry(NoBackoff(), 0))


def _settings(address: GcsAddress, timeout_s: float) -> dict[str, Any]:
    """No retries: who calls knows how often to try again, and tells the user meanwhile."""
    settings: dict[str, Any] = {
        "username": address.username or None,
        "password": address.password or None,
        "db": address.database,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        # RESP3 would cost one more round trip and brings nothing here.
        "protocol": 2,
    }
    if address.path:
        return settings | {"unix_socket_path": address.path}
    settings |= {"host": address.host, "port": address.port}
    if address.tls:
        settings |= {
            "ssl": True,
            "ssl_ca_certs": address.tls_ca_file or None,
            "ssl_cert_reqs": "required" if address.tls_verify else "none",
            "ssl_check_hostname": address.tls_verify,
        }
    return settings
