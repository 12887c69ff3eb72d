"""The Redis protocol (RESP2) as bytes in, values out; no sockets. https://redis.io/docs/latest/develop/reference/protocol-spec/

parser.feed(data)
while (reply := parser.next_reply()) is not INCOMPLETE: ...
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, Literal, NamedTuple

BULK_BYTES_MAX = 512 * 1024 * 1024
"""Redis' own default limit (`proto-max-bulk-len`); a longer argument makes it close the connection."""

Command = Sequence[bytes]


class ErrorReply(NamedTuple):
    """The server refused a command; `text` begins with a code such as `NOAUTH`."""

    text: str

    @property
    def code(self) -> str:
        """The first word."""
        return self.text.partition(" ")[0]


Reply = bytes | int | None | ErrorReply | list["Reply"]
"""What a command gives: simple and bulk strings are bytes alike, an absent value is None."""


class Incomplete(Enum):
    """Not a reply: more bytes are needed."""

    INCOMPLETE = "incomplete"


INCOMPLETE: Final = Incomplete.INCOMPLETE


class NotRedisError(ValueError):
    """The peer speaks something else. Never leaves this folder."""


def encode_commands(commands: Iterable[Command]) -> bytes:
    """The commands as one piece to send."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for argument in command:
            parts += (b"$%d\r\n" % len(argument), argument, b"\r\n")
    return b"".join(parts)


class ReplyParser:
    """Makes replies of what a server sends, however it was cut; no value is parsed twice, however long its list."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0
        # Lists that are still being filled, outermost first: (values so far, how many it will have).
        self._open: list[tuple[list[Reply], int]] = []

    def feed(self, data: bytes | memoryview) -> None:
        """Take in more bytes."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    def next_reply(self) -> Reply | Literal[Incomplete.INCOMPLETE]:
        """The next whole reply. Raises NotRedisError when the bytes are no RESP2."""
        open_lists = self._open
        while True:
            value = self._next_value()
            if value is INCOMPLETE:
                return INCOMPLETE
            if isinstance(value, _ListHeader):
                if value.length:
                    open_lists.append(([], value.length))
                    continue
                value = []
            while open_lists:
                values, count = open_lists[-1]
                values.append(value)
                if len(values) < count:
                    break
                open_lists.pop()
                value = values
            else:
                return value

    def _next_value(self) -> Reply | _ListHeader | Literal[Incomplete.INCOMPLETE]:
        buffer, start = self._buffer, self._position
        end = buffer.find(b"\r\n", start)
        if end < 0:
            if len(buffer) > start and buffer[start] not in _TYPES:
                raise NotRedisError(_sample(buffer[start:]))
            return INCOMPLETE
        kind = buffer[start]
        line = bytes(buffer[start + 1 : end])
        try:
            if kind == _BULK:
                length = int(line)
                if length < 0:
                    self._position = end + 2
                    return None
                last = end + 2 + length
                if len(buffer) < last + 2:
                    return INCOMPLETE
                self._position = last + 2
                with memoryview(buffer) as view:
                    return bytes(view[end + 2 : last])
            self._position = end + 2
            if kind == _INTEGER:
                return int(line)
            if kind == _SIMPLE:
                return line
            if kind == _ERROR:
                return ErrorReply(line.decode(errors="replace"))
            if kind == _LIST:
                count = int(line)
                return None if count < 0 else _ListHeader(count)
        except ValueError:
            pass
        raise NotRedisError(_sample(buffer[start:]))


class _ListHeader(NamedTuple):
    length: int


_SIMPLE, _ERROR, _INTEGER, _BULK, _LIST = _TYPES = b"+-:$*"


def _sample(data: bytes | bytearray) -> str:
    """The first bytes of an answer, for an error message."""
    return repr(bytes(data[:40]))[1:]
