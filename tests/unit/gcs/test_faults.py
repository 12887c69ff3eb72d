"""`gcs/faults.py`: each way to fail has its sentence, which never shows the password."""

from __future__ import annotations

import socket

import pytest
from cellray.errors import GcsUnavailableError, InternalError
from cellray.gcs.address import GcsAddress
from cellray.gcs.faults import AnsweredError, NotRedisError, explain
from redis import exceptions as redis_errors

ADDRESS = GcsAddress(host="db.example", password="hidden", database=2)


def caused_by(cause: OSError) -> redis_errors.ConnectionError:
    """As redis-py raises it."""
    error = redis_errors.ConnectionError(f"Error {cause.errno} connecting to db.example:6379. {cause.strerror}.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (redis_errors.AuthenticationError("Authentication required."), "asks for a password"),
        (redis_errors.AuthenticationError("invalid username-password pair"), "refuses the password"),
        (redis_errors.AuthenticationError("AUTH <password> called without any password configured"), "Remove it"),
        (redis_errors.BusyLoadingError("Redis is loading the dataset in memory"), "still loading"),
        (redis_errors.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), "it answered b'HTTP/1.1 400'"),
        (redis_errors.TimeoutError("Timeout reading from socket"), "did not answer in time"),
        (TimeoutError(), "did not answer in time"),
        (caused_by(ConnectionRefusedError(111, "Connection refused")), "no Redis server listens .*refused"),
        (caused_by(FileNotFoundError(2, "No such file or directory")), "no Redis server listens"),
        (caused_by(ConnectionResetError(104, "Connection reset by peer")), "closed the connection .*reset by peer"),
        (caused_by(socket.gaierror(-2, "Name or service not known")), "is not known .*Name or service"),
        (caused_by(OSError(113, "No route to host")), "cannot be reached .*No route to host"),
        (redis_errors.ConnectionError("Connection closed by server."), "closed the connection"),
        (redis_errors.ResponseError("DB index is out of range"), "no database 2"),
        (redis_errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "refuses work for now"),
        (redis_errors.ReadOnlyError("You can't write against a read only replica."), "refuses work for now"),
        (redis_errors.ResponseError("MISCONF Errors writing to the AOF file"), "refuses work for now: MISCONF"),
        (AnsweredError("NOAUTH Authentication required."), "asks for a password"),
        (AnsweredError("WRONGPASS invalid username-password pair or user is disabled."), "refuses the password"),
        (AnsweredError("ERR AUTH <password> called without any password configured"), "Remove it"),
        (AnsweredError("LOADING Redis is loading the dataset in memory"), "still loading"),
        (AnsweredError("ERR DB index is out of range"), "no database 2"),
        (AnsweredError("READONLY You can't write against a read only replica."), "refuses work for now: READONLY"),
        (AnsweredError("ERR Error running script (call to f_1): @user_script:7: -OOM command not"), "OOM"),
        (NotRedisError("b'HTTP/1.1 400'"), "it answered b'HTTP/1.1 400'"),
        (ConnectionResetError("connection closed by the server"), "closed the connection"),
        (ConnectionRefusedError(111, "Connection refused"), "no Redis server listens .*refused"),
        (redis_errors.ResponseError("Error running script (call to f_1): @user_script:7: -OOM command not"), "OOM"),
    ],
)
def test_what_may_pass_is_told_with_its_reason(error: Exception, says: str) -> None:
    with pytest.raises(GcsUnavailableError, match=says) as caught:
        raise explain(ADDRESS, error)
    assert "db.example:6379" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("kind", [redis_errors.ResponseError, AnsweredError])
def test_anything_else_is_our_own_bug(kind: type[Exception]) -> None:
    error = explain(ADDRESS, kind("WRONGTYPE Operation against a key"))
    assert isinstance(error, InternalError)
    assert "WRONGTYPE" in str(error)
