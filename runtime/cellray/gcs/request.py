"""An operation on the small tables as data: one command and how to read its reply, for either kind of connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from cellray.gcs.resp import Reply

T = TypeVar("T")


class Request(NamedTuple, Generic[T]):
    """`await connection.run(request)` or `connection.run(request)`."""

    command: tuple[bytes, ...]
    decode: Callable[[Reply], T]
