"""A connection to a Redis server on the node's event loop: one protocol object, replies matched in order.

connection = await open_connection(address, timeout_s=3.0)
replies = await connection.execute((b"PING",), timeout_s=3.0)
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeVar, cast

from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import check_greeting, greeting, refused, unreachable
from cellray.gcs.request import Request
from cellray.gcs.resp import INCOMPLETE, Command, ErrorReply, NotRedisError, Reply, ReplyParser, encode_commands

T = TypeVar("T")


async def open_connection(address: GcsAddress, timeout_s: float) -> AsyncConnection:
    """Connect and prove the password. Raises GcsUnavailableError."""
    loop = asyncio.get_running_loop()
    protocol = AsyncConnection(address)
    try:
        async with asyncio.timeout(timeout_s):
            if address.path:
                await loop.create_unix_connection(lambda: protocol, address.path)
            else:
                await loop.create_connection(lambda: protocol, address.host, address.port, ssl=address.tls_context())
            check_greeting(address, await protocol.execute(*greeting(address), timeout_s=timeout_s))
    except GcsUnavailableError:
        # Before OSError, of which it is one.
        await protocol.close()
        raise
    except OSError as error:
        await protocol.close()
        raise unreachable(address, error) from None
    except BaseException:
        await protocol.close()
        raise
    return protocol


class AsyncConnection(asyncio.Protocol):
    """After any GcsUnavailableError it is closed for good. Several callers may have commands under way at once."""

    def __init__(self, address: GcsAddress) -> None:
        """Use `open_connection`."""
        self.address = address
        self._parser = ReplyParser()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[_Exchange] = deque()
        self._lost: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def execute(self, *commands: Command, timeout_s: float) -> list[Reply]:
        """The replies, one for each command; errors of the server are among them as they are."""
        if self._transport is None or self._transport.is_closing():
            raise unreachable(self.address, self._error or ConnectionAbortedError("connection closed"))
        exchange = _Exchange(len(commands))
        self._waiting.append(exchange)
        self._transport.write(encode_commands(commands))
        try:
            async with asyncio.timeout(timeout_s):
                return await exchange.done
        except (OSError, EOFError, NotRedisError) as error:
            self._abort(error)
            raise unreachable(self.address, error) from None

    async def call(self, *command: bytes, timeout_s: float) -> Reply:
        """The reply to one command. Raises GcsUnavailableError or InternalError for an error reply."""
        (reply,) = await self.execute(command, timeout_s=timeout_s)
        if isinstance(reply, ErrorReply):
            raise refused(self.address, reply)
        return reply

    async def run(self, request: Request[T], *, timeout_s: float) -> T:
        """Carry out an operation on the tables."""
        return request.decode(await self.call(*request.command, timeout_s=timeout_s))

    async def close(self) -> None:
        """Ends commands under way; returns when the socket is closed. May be called twice."""
        self._abort(ConnectionAbortedError("closed by us"))
        if self._lost is not None:
            await asyncio.shield(self._lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        parser, waiting = self._parser, self._waiting
        try:
            parser.feed(data)
            while (reply := parser.next_reply()) is not INCOMPLETE:
                if not waiting:
                    raise NotRedisError(f"{reply!r:.40} unasked")
                exchange = waiting[0]
                exchange.replies.append(reply)
                if len(exchange.replies) == exchange.count:
                    waiting.popleft()
                    if not exchange.done.done():
                        exchange.done.set_result(exchange.replies)
        except NotRedisError as error:
            self._abort(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._fail_waiting(exc or EOFError("end of stream"))
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def _abort(self, error: BaseException) -> None:
        self._fail_waiting(error)
        if self._transport is not None:
            self._transport.abort()

    def _fail_waiting(self, error: BaseException) -> None:
        self._error = self._error or error
        while self._waiting:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_exception(error)


class _Exchange:
    """Commands that were sent together, and the replies to them so far."""

    __slots__ = ("count", "done", "replies")

    def __init__(self, count: int) -> None:
        self.count = count
        self.replies: list[Reply] = []
        self.done: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
