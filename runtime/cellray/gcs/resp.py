"""Redis' protocol as far as the node needs it: one connection, one command after another, on the running event loop.

A full client would cost each write of the log as much as the work that it records, and the node 20 MB and 60 ms.

    client = RespClient(address, timeout_s=3.0)
    reply = await client.call(pack_command(b"HGET", key, field))     # None, an int, bytes, or a list of these
"""

from __future__ import annotations

import asyncio
import ssl

from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError

Reply = bytes | int | list["Reply"] | None
LINE_BYTES_MAX = 1 << 16


def pack_command(*parts: bytes) -> bytes:
    """A command with its arguments as it travels."""
    return b"*%d\r\n" % len(parts) + pack_parts(*parts)


def pack_parts(*parts: bytes) -> bytes:
    """Arguments as they travel, where a command is put together from pieces."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


class RespClient:
    """Connects with the first call, and again with the next one after a failure. One call at a time."""

    def __init__(self, address: GcsAddress, *, timeout_s: float) -> None:
        """`timeout_s` bounds connecting and each answer."""
        self._address = address
        self._timeout_s = timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, command: bytes) -> Reply:
        """The server's reply to a packed command.

        Raises AnsweredError for what the server refuses; OSError (TimeoutError too) or NotRedisError when there is no
        answer, and whether the command was carried out is not known then.
        """
        try:
            if self._streams is None:
                async with asyncio.timeout(self._timeout_s):
                    await self._connect()
            assert self._streams is not None
            reader, writer = self._streams
            async with asyncio.timeout(self._timeout_s):
                writer.write(command)
                await writer.drain()
                return await _read_reply(reader)
        except AnsweredError:
            raise
        except BaseException as error:
            # The next answer would be that of this command.
            self._drop()
            if isinstance(error, EOFError):
                raise ConnectionResetError("connection closed by the server") from None
            raise

    async def close(self) -> None:
        """Close the connection; a later `call` opens another."""
        self._drop()

    async def _connect(self) -> None:
        address = self._address
        if address.path:
            self._streams = await asyncio.open_unix_connection(address.path, limit=LINE_BYTES_MAX)
        else:
            context = _tls_context(address) if address.tls else None
            self._streams = await asyncio.open_connection(address.host, address.port, limit=LINE_BYTES_MAX, ssl=context)
        greetings = []
        if address.password:
            who = [address.username.encode()] if address.username else []
            greetings.append(pack_command(b"AUTH", *who, address.password.encode()))
        if address.database:
            greetings.append(pack_command(b"SELECT", b"%d" % address.database))
        reader, writer = self._streams
        writer.write(b"".join(greetings))
        try:
            for _ in greetings:
                await _read_reply(reader)
        except AnsweredError:
            self._drop()
            raise

    def _drop(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    try:
        line = await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError:
        raise NotRedisError("a line without end") from None
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise AnsweredError(rest.decode(errors="replace"))
    try:
        number = int(rest)
    except ValueError:
        raise NotRedisError(repr(line[:60])) from None
    if kind == b":":
        return number
    if kind == b"$":
        return None if number < 0 else (await reader.readexactly(number + 2))[:-2]
    if kind == b"*":
        return None if number < 0 else [await _read_reply(reader) for _ in range(number)]
    raise NotRedisError(repr(line[:60]))


def _tls_context(address: GcsAddress) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=address.tls_ca_file or None)
    if not address.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
