"""Calls to a node's control service, for tools."""

from __future__ import annotations

from typing import Any

import msgspec

from cellray.errors import SessionLostError
from cellray.node.control import (
    METHODS,
    SERVICE,
    TOKEN_KEY,
    CancelReply,
    CancelRequest,
    NodeStatus,
    StatusRequest,
    StopReply,
    StopRequest,
)

CALL_TIMEOUT_S = 5.0


class ControlClient:
    """One connection to the control socket of a session. Use it as a context manager."""

    def __init__(self, socket_path: str, token: str) -> None:
        import grpc

        self._grpc = grpc
        self._token = token
        self._socket_path = socket_path
        self._channel = grpc.insecure_channel(f"unix:{socket_path}")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def status(self, timeout_s: float = CALL_TIMEOUT_S) -> NodeStatus:
        """What is going on at the node."""
        reply: NodeStatus = self._call("Status", StatusRequest(), timeout_s)
        return reply

    def cancel(self, request: CancelRequest) -> CancelReply:
        """Cancel tasks."""
        reply: CancelReply = self._call("Cancel", request)
        return reply

    def stop(self, reason: str) -> None:
        """End the session."""
        _: StopReply = self._call("Stop", StopRequest(reason))

    def _call(self, name: str, request: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        _, reply_type = METHODS[name]
        call = self._channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=msgspec.msgpack.encode,
            response_deserializer=msgspec.msgpack.Decoder(reply_type).decode,
        )
        try:
            return call(request, timeout=timeout_s, metadata=((TOKEN_KEY, self._token),), wait_for_ready=True)
        except self._grpc.RpcError as error:
            raise SessionLostError(
                f"the node's control service at {self._socket_path} did not answer: {error.details() or error.code()}"
            ) from None
