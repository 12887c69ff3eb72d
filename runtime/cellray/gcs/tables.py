"""The small tables: sessions of a server, a session's functions and nodes. Each operation is one command on one key.

Tables(address, timeout_s=3.0).run(get_function(session_id, function_hash))     # tools
await AsyncTables(address, timeout_s=3.0).run(put_session(description))         # the node
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import msgspec

from cellray.errors import InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.clients import make_client
from cellray.gcs.faults import AnsweredError, NotRedisError, explain, server_faults
from cellray.gcs.keys import INDEX_BLOCK, SESSIONS, session_keys
from cellray.gcs.resp import RespClient, pack_command
from cellray.gcs.script import read_script
from cellray.ids import FunctionHash, NodeId, SessionId
from cellray.model.fact import LOG_SCHEMA_VERSION
from cellray.model.task import Function, Resources

if TYPE_CHECKING:
    import redis

T = TypeVar("T")


class Request(NamedTuple, Generic[T]):
    """An operation as data, for either kind of client: one command and how to read its reply."""

    command: tuple[bytes, ...]
    decode: Callable[[object], T]


class Tables:
    """Carries out operations, blocking. Connects with the first; goes on after a lost connection."""

    def __init__(self, address: GcsAddress, *, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._client: redis.Redis | None = None

    def run(self, request: Request[T]) -> T:
        """Raises GcsUnavailableError, at once: whether to try again is the caller's to know."""
        if self._client is None:
            self._client = make_client(self._address, self._timeout_s)
        try:
            reply = self._client.execute_command(*request.command)  # type: ignore[no-untyped-call]
        except server_faults() as error:
            raise explain(self._address, error) from None
        return request.decode(reply)

    def close(self) -> None:
        """May be called twice."""
        if self._client is not None:
            self._client.close()


class AsyncTables:
    """Carries out operations on the running loop, one at a time."""

    def __init__(self, address: GcsAddress, *, timeout_s: float) -> None:
        self._address = address
        self._client = RespClient(address, timeout_s=timeout_s)

    async def run(self, request: Request[T]) -> T:
        """Raises GcsUnavailableError, at once: whether to try again is the caller's to know."""
        try:
            reply = await self._client.call(pack_command(*request.command))
        except (AnsweredError, NotRedisError, OSError) as error:
            raise explain(self._address, error) from None
        return request.decode(reply)

    async def close(self) -> None:
        """May be called twice."""
        await self._client.close()


class SessionDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool needs to find a session. Times are seconds since the epoch; `ended_at` is 0 while it runs."""

    session_id: SessionId
    started_at: float
    node_socket: str
    host: str
    pid: int
    ended_at: float = 0.0
    schema: int = LOG_SCHEMA_VERSION


class NodeDescription(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a session."""

    node_id: NodeId
    host: str
    pid: int
    socket: str
    resources: Resources
    joined_at: float
    left_at: float = 0.0


_function_decoder = msgspec.msgpack.Decoder(Function)
_node_decoder = msgspec.msgpack.Decoder(NodeDescription)
_session_decoder = msgspec.json.Decoder(SessionDescription)


def put_session(description: SessionDescription) -> Request[None]:
    """Register a session, or replace its description: at its end by one with `ended_at`."""
    name = description.session_id.encode()
    return Request((b"HSET", SESSIONS, name, msgspec.json.encode(description)), _nothing)


def get_session(session_id: SessionId) -> Request[SessionDescription | None]:
    """None for one that is not registered."""
    return Request(
        (b"HGET", SESSIONS, session_id.encode()),
        lambda reply: None if reply is None else _session_decoder.decode(_bytes(reply)),
    )


def list_sessions() -> Request[list[SessionDescription]]:
    """All registered sessions, the oldest first. Those that another version described unreadably are left out."""
    return Request((b"HVALS", SESSIONS), _sessions)


def remove_session(session_id: SessionId) -> Request[None]:
    """Take the session off the register; its keys go with `delete_keys`."""
    return Request((b"HDEL", SESSIONS, session_id.encode()), _nothing)


def delete_keys(session_id: SessionId) -> Request[None]:
    """Everything of the session except its entry in the register: the log too, with its index."""
    keys = session_keys(session_id)
    return Request((b"EVAL", read_script("delete.lua"), b"%d" % len(keys), *keys, b"%d" % INDEX_BLOCK), _nothing)


def lift_memory_limit() -> Request[None]:
    """From now on the server takes whatever comes. A user's own may refuse: its limits are its owner's."""
    return Request((b"CONFIG", b"SET", b"maxmemory", b"0"), _nothing)


def put_functions(session_id: SessionId, functions: Sequence[Function]) -> Request[None]:
    """Add functions (one at least). Content-addressed: adding one again changes nothing."""
    pairs: list[bytes] = []
    for function in functions:
        pairs += (function.function_hash, msgspec.msgpack.encode(function))
    return Request((b"HSET", session_keys(session_id).functions, *pairs), _nothing)


def get_function(session_id: SessionId, function_hash: FunctionHash) -> Request[Function | None]:
    """None for one that nobody put."""
    return Request(
        (b"HGET", session_keys(session_id).functions, function_hash),
        lambda reply: None if reply is None else _function_decoder.decode(_bytes(reply)),
    )


def put_node(session_id: SessionId, node: NodeDescription) -> Request[None]:
    """Add a node, or replace its description: when it leaves by one with `left_at`."""
    return Request(
        (b"HSET", session_keys(session_id).nodes, node.node_id.encode(), msgspec.msgpack.encode(node)), _nothing
    )


def list_nodes(session_id: SessionId) -> Request[list[NodeDescription]]:
    """All nodes there have been, in the order they joined."""

    def decode(reply: object) -> list[NodeDescription]:
        nodes = [_node_decoder.decode(_bytes(value)) for value in _list(reply)]
        return sorted(nodes, key=lambda node: node.joined_at)

    return Request((b"HVALS", session_keys(session_id).nodes), decode)


def _sessions(reply: object) -> list[SessionDescription]:
    sessions = []
    for value in _list(reply):
        try:
            sessions.append(_session_decoder.decode(_bytes(value)))
        except msgspec.MsgspecError:
            # The register of a shared server outlives versions; one foreign entry must not hide the others.
            continue
    return sorted(sessions, key=lambda session: session.started_at)


def _nothing(_: object) -> None:
    """A reply that says nothing beyond success."""


def _bytes(reply: object) -> bytes:
    if not isinstance(reply, bytes):
        raise InternalError(f"a table of the GCS was answered with {reply!r:.60}")
    return reply


def _list(reply: object) -> list[object]:
    if not isinstance(reply, list):
        raise InternalError(f"a table of the GCS was answered with {reply!r:.60}")
    return reply
