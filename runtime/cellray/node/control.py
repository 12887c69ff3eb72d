"""The node's control service: gRPC on a Unix socket, for the CLI, the JupyterLab extension and other tools.

Messages are msgspec structs in msgpack, served through gRPC's generic handlers: the runtime's own words, and no
generated code. Every call proves the session's token in its metadata.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

SERVICE = "cellray.Control"
TOKEN_KEY = "cellray-token"


class StatusRequest(msgspec.Struct, frozen=True):
    """What is going on at this node?"""


class WorkerStatus(msgspec.Struct, frozen=True):
    """One worker; `state` is idle, busy, blocked, actor or ending."""

    worker_id: int
    pid: int
    state: str
    tasks: int


class NodeStatus(msgspec.Struct, frozen=True):
    """Answer to StatusRequest. Resources in their own units; times in seconds since the epoch; sizes in bytes.

    `object_count` exist or are to be made; `objects_read` counts who keeps how many of them in their places in memory.
    `sources_given_up` are values that there was no room to keep, of which lost objects would have been made again.
    """

    session_id: str
    node_id: str
    started_at: float
    at: float
    pid: int
    drivers: int
    workers: list[WorkerStatus]
    tasks: dict[str, int]
    resources_total: dict[str, float]
    resources_available: dict[str, float]
    object_store_bytes: int
    object_store_used_bytes: int
    gcs_url: str
    log_sequence: int
    gcs_unavailable_since: float | None = None
    object_store_spilled_bytes: int = 0
    object_count: int = 0
    objects_read: int = 0
    sources_given_up: int = 0


class CancelRequest(msgspec.Struct, frozen=True):
    """Cancel tasks by id (16 bytes each)."""

    task_ids: list[bytes]
    force: bool = False
    recursive: bool = True


class CancelReply(msgspec.Struct, frozen=True):
    """How many of them were live tasks."""

    live: int


class StopRequest(msgspec.Struct, frozen=True):
    """End the session: every driver is told, every process ends."""

    reason: str


class StopReply(msgspec.Struct, frozen=True):
    """The session is ending."""


METHODS: dict[str, tuple[type[Any], type[Any]]] = {
    "Status": (StatusRequest, NodeStatus),
    "Cancel": (CancelRequest, CancelReply),
    "Stop": (StopRequest, StopReply),
}

Request = TypeVar("Request")


class ControlServer:
    """Serves the methods; `handlers` maps their names to coroutines."""

    def __init__(self, token: str, handlers: dict[str, Callable[[Any], Awaitable[Any]]]) -> None:
        self._token = token
        self._handlers = handlers
        self._server: Any = None

    async def start(self, socket_path: str) -> None:
        """Bind. gRPC is imported here, off the event loop's thread: it takes a tenth of a second."""
        grpc = await asyncio.get_running_loop().run_in_executor(None, _import_grpc)
        server = grpc.aio.server()
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._guarded(self._handlers[name], grpc),
                request_deserializer=msgspec.msgpack.Decoder(request).decode,
                response_serializer=msgspec.msgpack.encode,
            )
            for name, (request, _) in METHODS.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_insecure_port(f"unix:{socket_path}")
        await server.start()
        self._server = server

    def _guarded(self, handler: Callable[[Any], Awaitable[Any]], grpc: Any) -> Callable[[Any, Any], Awaitable[Any]]:
        async def guarded(request: Any, context: Any) -> Any:
            proof = dict(context.invocation_metadata() or ()).get(TOKEN_KEY, "")
            if not hmac.compare_digest(str(proof).encode(), self._token.encode()):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or missing session token")
            return await handler(request)

        return guarded

    async def close(self) -> None:
        """Stop serving; calls under way get their answer."""
        if self._server is not None:
            await self._server.stop(0.2)


def _import_grpc() -> Any:
    # A redis-server that is started again is forked from here: gRPC must not wake up in the child, where it aborts.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    import grpc
    import grpc.aio

    return grpc
