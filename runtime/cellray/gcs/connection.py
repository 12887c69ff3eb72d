"""A blocking connection to a Redis server: for tools, followers and the probe."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TypeVar

from cellray.errors import GcsUnavailableError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import check_greeting, greeting, refused, unreachable
from cellray.gcs.request import Request
from cellray.gcs.resp import INCOMPLETE, Command, ErrorReply, NotRedisError, Reply, ReplyParser, encode_commands

RECEIVE_BYTES = 256 * 1024
T = TypeVar("T")


class Connection:
    """Not thread-safe, except `interrupt`. After any GcsUnavailableError it is closed for good."""

    def __init__(self, address: GcsAddress, timeout_s: float) -> None:
        """Connect and prove the password. Raises GcsUnavailableError."""
        self.address = address
        self.closed = False
        self._timeout_s = timeout_s
        self._parser = ReplyParser()
        try:
            self._socket = _open_socket(address, timeout_s)
        except GcsUnavailableError:
            # Before OSError, of which it is one.
            raise
        except OSError as error:
            raise unreachable(address, error) from None
        self._receive_buffer = memoryview(bytearray(RECEIVE_BYTES))
        try:
            check_greeting(address, self.execute(*greeting(address)))
        except BaseException:
            self.close()
            raise

    def execute(self, *commands: Command, timeout_s: float | None = None) -> list[Reply]:
        """The replies, one for each command; errors of the server are among them as they are."""
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._socket.sendall(encode_commands(commands))
            return [self._receive_reply(deadline) for _ in commands]
        except (OSError, EOFError, NotRedisError) as error:
            self.close()
            raise unreachable(self.address, error) from None
        except BaseException:
            # An interrupt between a command and its reply: what comes next would be taken for the wrong one.
            self.close()
            raise

    def call(self, *command: bytes, timeout_s: float | None = None) -> Reply:
        """The reply to one command. Raises GcsUnavailableError or InternalError for an error reply."""
        (reply,) = self.execute(command, timeout_s=timeout_s)
        if isinstance(reply, ErrorReply):
            raise refused(self.address, reply)
        return reply

    def run(self, request: Request[T]) -> T:
        """Carry out an operation on the tables."""
        return request.decode(self.call(*request.command))

    def interrupt(self) -> None:
        """From any thread: end a command that another thread waits in (it raises GcsUnavailableError there)."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """May be called twice."""
        self.closed = True
        self._socket.close()

    def _receive_reply(self, deadline: float) -> Reply:
        parser = self._parser
        while (reply := parser.next_reply()) is INCOMPLETE:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            received = self._socket.recv_into(self._receive_buffer)
            if not received:
                raise EOFError("end of stream")
            parser.feed(self._receive_buffer[:received])
        return reply


def _open_socket(address: GcsAddress, timeout_s: float) -> socket.socket:
    if address.path:
        plain = socket.socket(socket.AF_UNIX)
        try:
            plain.settimeout(timeout_s)
            plain.connect(address.path)
        except BaseException:
            plain.close()
            raise
        return plain
    plain = socket.create_connection((address.host, address.port), timeout_s)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = address.tls_context()
        return context.wrap_socket(plain, server_hostname=address.host) if context else plain
    except BaseException:
        plain.close()
        raise
