"""What went wrong between us and the server, as one sentence with its cause and what to do; never the password.

except server_faults() as error:
    raise explain(address, error) from None
"""

from __future__ import annotations

import socket

from cellray.errors import CellrayError, GcsUnavailableError, InternalError
from cellray.gcs.address import GcsAddress

PASSING_CODES = frozenset(
    ("LOADING", "MISCONF", "OOM", "READONLY", "MASTERDOWN", "BUSY", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM")
)
"""States of the server in which nothing of a command was done, and the same command may succeed later."""


class AnsweredError(Exception):
    """The server refuses a command, in its own words."""


class NotRedisError(Exception):
    """The peer answers what no Redis server would; shown are its first bytes."""


def server_faults() -> tuple[type[Exception], ...]:
    """What redis-py raises for faults outside this process; to be caught."""
    import redis.exceptions

    return (redis.exceptions.RedisError, OSError)


def explain(address: GcsAddress, error: Exception) -> CellrayError:
    """GcsUnavailableError when the same may succeed later or elsewhere, InternalError for our own bug."""
    match error:
        case AnsweredError():
            return _explain_answer(address, str(error))
        case NotRedisError():
            return GcsUnavailableError(_no_redis(address, str(error)))
        case TimeoutError():
            return GcsUnavailableError(_silence(address))
        case OSError():
            return GcsUnavailableError(_connection_problem(address, error))
    return _explain_redis_py(address, error)


def _explain_answer(address: GcsAddress, text: str) -> CellrayError:
    """`text` is the answer with its code in front."""
    code = text.partition(" ")[0]
    if code in ("NOAUTH", "WRONGPASS") or "password" in text:
        return GcsUnavailableError(_password_problem(address, text))
    if code == "LOADING":
        return GcsUnavailableError(_loading(address))
    # 6.2 wraps what a command inside a script was answered: "Error running script ... -OOM command not ...".
    if {word.strip("-:,.") for word in text.split()[:40]} & PASSING_CODES:
        return _refuses_for_now(address, text)
    if "DB index" in text:
        return GcsUnavailableError(
            f"the Redis server at {address} has no database {address.database} ({text}). Correct the address."
        )
    return InternalError(f"the Redis server at {address} refused a command: {text}")


def _explain_redis_py(address: GcsAddress, error: Exception) -> CellrayError:
    """The client of those who only read."""
    from redis import exceptions as redis_errors

    wrapped = error.__cause__ or error.__context__
    if type(error) is redis_errors.ConnectionError and isinstance(wrapped, redis_errors.RedisError):
        # redis.asyncio hides what a refused password or database was answered in an error of connecting.
        return explain(address, wrapped)
    match error:
        case redis_errors.AuthenticationError():
            return GcsUnavailableError(_password_problem(address, str(error)))
        case redis_errors.BusyLoadingError():
            return GcsUnavailableError(_loading(address))
        case redis_errors.InvalidResponse():
            return GcsUnavailableError(_no_redis(address, _answer(error)))
        case redis_errors.TimeoutError():
            return GcsUnavailableError(_silence(address))
        case redis_errors.ConnectionError():
            return GcsUnavailableError(_connection_problem(address, error))
        case redis_errors.ReadOnlyError() | redis_errors.OutOfMemoryError() | redis_errors.NoPermissionError():
            return _refuses_for_now(address, str(error))
    return _explain_answer(address, str(error))


def _loading(address: GcsAddress) -> str:
    return f"the Redis server at {address} is still loading its data. Try again in a moment."


def _no_redis(address: GcsAddress, answer: str) -> str:
    return (
        f"what listens at {address} is no Redis server: it answered {answer}. Check host and port, and whether the "
        "server wants TLS (rediss://)."
    )


def _silence(address: GcsAddress) -> str:
    return (
        f"the Redis server at {address} did not answer in time. Check that it runs, that the address is right and that "
        "nothing between blocks it."
    )


def _refuses_for_now(address: GcsAddress, answer: str) -> GcsUnavailableError:
    return GcsUnavailableError(
        f"the Redis server at {address} refuses work for now: {answer}. See its log; the write is repeated."
    )


def _password_problem(address: GcsAddress, answer: str) -> str:
    if "without any password configured" in answer:
        return (
            f"the Redis server at {address} has no password, but the address holds one. Remove it, or set requirepass."
        )
    if "Authentication required" in answer:
        return f"the Redis server at {address} asks for a password. Put it into the address: redis://:password@host."
    return f"the Redis server at {address} refuses the password ({answer}). Correct it in the address."


def _connection_problem(address: GcsAddress, error: Exception) -> str:
    """redis-py says "Error <number> connecting to <place>. <reason>." and keeps the system's error as its cause."""
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    reason = (cause.strerror if isinstance(cause, OSError) else None) or str(error).rstrip(".")
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return f"no Redis server listens at {address} ({reason}). Start it, or correct the address."
    if isinstance(cause, socket.gaierror):
        return f"the host of the Redis server at {address} is not known ({reason}). Correct the address."
    if isinstance(cause, ConnectionError | EOFError) or "closed" in str(error):
        return (
            f"the Redis server at {address} closed the connection ({reason}). See its log; a server that wants TLS "
            "(rediss://) does this too."
        )
    return f"the Redis server at {address} cannot be reached ({reason}). Check the address and the network."


def _answer(error: Exception) -> str:
    """The peer's first bytes, out of redis-py's "Protocol Error: <bytes>"."""
    return str(error).partition(": ")[2][:60] or str(error)[:60]
