"""What went wrong between us and the server, as one sentence with its cause and what to do; never the password."""

from __future__ import annotations

from collections.abc import Sequence

from cellray.errors import CellrayError, GcsUnavailableError, InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.resp import ErrorReply, NotRedisError, Reply

PASSING_CODES = frozenset(
    ("LOADING", "MISCONF", "OOM", "READONLY", "MASTERDOWN", "BUSY", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM")
)
"""States of the server in which nothing of a command was done, and the same command may succeed later."""


def unreachable(address: GcsAddress, error: BaseException) -> GcsUnavailableError:
    """For what sockets and the parser raise."""
    if isinstance(error, NotRedisError):
        return GcsUnavailableError(
            f"what listens at {address} is no Redis server: it answered {error}. Check host and port, "
            "and whether the server wants TLS (rediss://)."
        )
    if isinstance(error, TimeoutError):
        return GcsUnavailableError(
            f"the Redis server at {address} did not answer in time. Check that it runs, that the address is right "
            "and that nothing between blocks it."
        )
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return GcsUnavailableError(
            f"no Redis server listens at {address} ({_reason(error)}). Start it, or correct the address."
        )
    if isinstance(error, ConnectionError | EOFError):
        return GcsUnavailableError(
            f"the Redis server at {address} closed the connection ({_reason(error)}). See its log; a server that wants "
            "TLS (rediss://) does this too."
        )
    return GcsUnavailableError(
        f"the Redis server at {address} cannot be reached ({_reason(error)}). Check the address and the network."
    )


def refused(address: GcsAddress, reply: ErrorReply) -> CellrayError:
    """For an error reply to a command of ours: a state that may pass, or our own bug."""
    # 6.2 wraps what a command inside a script was answered: "ERR Error running script ... -OOM command not ...".
    words = {word.strip("-:,.") for word in reply.text.split()[:40]}
    if words & PASSING_CODES:
        return GcsUnavailableError(
            f"the Redis server at {address} refuses work for now: {reply.text}. See its log; the write is repeated."
        )
    return InternalError(f"the Redis server at {address} refused a command: {reply.text}")


def check_greeting(address: GcsAddress, replies: Sequence[Reply]) -> None:
    """Raises GcsUnavailableError unless the server let us in; `replies` are those to `greeting`."""
    for reply in replies:
        if isinstance(reply, ErrorReply):
            raise GcsUnavailableError(_greeting_refusal(address, reply))
    if replies[-1] != b"PONG":
        raise GcsUnavailableError(
            f"what listens at {address} is no Redis server: it answered {replies[-1]!r:.60} to PING. "
            "Check host and port."
        )


def greeting(address: GcsAddress) -> list[tuple[bytes, ...]]:
    """The first commands on every connection."""
    commands: list[tuple[bytes, ...]] = []
    if address.password:
        user = (address.username.encode(),) if address.username else ()
        commands.append((b"AUTH", *user, address.password.encode()))
    if address.database:
        commands.append((b"SELECT", b"%d" % address.database))
    commands.append((b"PING",))
    return commands


def _greeting_refusal(address: GcsAddress, reply: ErrorReply) -> str:
    text = reply.text
    if reply.code == "NOAUTH":
        return f"the Redis server at {address} asks for a password. Put it into the address: redis://:password@host."
    if "without any password configured" in text:
        return (
            f"the Redis server at {address} has no password, but the address holds one. Remove it, or set requirepass."
        )
    if reply.code == "WRONGPASS" or "invalid password" in text:
        return f"the Redis server at {address} refuses the password. Correct it in the address ({reply.code})."
    if reply.code == "LOADING":
        return f"the Redis server at {address} is still loading its data. Try again in a moment."
    return (
        f"the Redis server at {address} refuses the connection: {text}. Correct the address or the server's settings."
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
