"""Where the GCS is: a Redis URL, parsed; printing one never shows the password.

redis://[[user]:password@]host[:6379][/database]
rediss://...                      the same over TLS; `?ssl_ca_certs=file`, `?ssl_cert_reqs=none`
unix://[[user]:password@]/path/to/socket[?db=0]
"""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

PORT_DEFAULT = 6379


class GcsAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One Redis server. Exactly one of `path` and `host` is set."""

    path: str = ""
    host: str = ""
    port: int = PORT_DEFAULT
    username: str = ""
    password: str = ""
    database: int = 0
    tls: bool = False
    tls_verify: bool = True
    tls_ca_file: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"GcsAddress({self})"

    def to_url(self) -> str:
        """The whole address, password included: for a file of mode 0600, never for a message."""
        query = {"db": str(self.database)} if self.database else {}
        if self.tls and not self.tls_verify:
            query["ssl_cert_reqs"] = "none"
        if self.tls_ca_file:
            query["ssl_ca_certs"] = self.tls_ca_file
        user = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.password else ""
        scheme, _, place = str(self).partition("://")
        tail = "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items()) if query else ""
        return f"{scheme}://{user}{quote(place, safe='/:[]')}{tail}"


def parse_address(url: str) -> GcsAddress:
    """Raises ValueError, without the password, that says what a GCS address looks like."""
    scheme = url.partition("://")[0].lower()
    if scheme not in {"redis", "rediss", "unix"}:
        shown = scheme if "://" in url else "no scheme"
        raise ValueError(
            f"a GCS address begins with redis://, rediss:// or unix:// ({shown} was given), "
            "for example redis://:password@host:6379/0"
        )
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        port = parts.port
        tail = unquote(parts.path)
        database = int(query.pop("db", "") or (tail.strip("/") if scheme != "unix" else "") or 0)
    except ValueError:
        raise ValueError(
            f"the {scheme}:// address of the GCS cannot be read: the port and the database must be numbers, "
            "and special characters in the password must be written as %xx; for example redis://:pa%40ss@host:6379/0"
        ) from None
    verify = query.pop("ssl_cert_reqs", "required").lower() not in {"none", "cert_none"}
    ca_file = query.pop("ssl_ca_certs", "")
    if query:
        raise ValueError(f"unknown setting {min(query)} in the GCS address; known are db, ssl_ca_certs, ssl_cert_reqs")
    if database < 0:
        raise ValueError(f"database {database} in the GCS address is negative")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if scheme == "unix":
        if parts.hostname or not tail.startswith("/"):
            raise ValueError("a unix:// address of the GCS needs an absolute path: unix:///path/to/redis.sock")
        return GcsAddress(path=tail, username=username, password=password, database=database)
    if not parts.hostname:
        raise ValueError(f"the {scheme}:// address of the GCS names no host; for example {scheme}://host:6379")
    return GcsAddress(
        host=parts.hostname,
        port=PORT_DEFAULT if port is None else port,
        username=username,
        password=password,
        database=database,
        tls=scheme == "rediss",
        tls_verify=verify,
        tls_ca_file=ca_file,
    )
