"""The small tables on a real server, over both kinds of connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Protocol, TypeVar

import msgspec
import pytest
from cellray.errors import GcsUnavailableError, InternalError
from cellray.gcs import tables
from cellray.gcs.address import GcsAddress
from cellray.gcs.keys import SESSIONS, session_keys
from cellray.ids import NodeId, SessionId, function_hash
from cellray.model.task import Cell, Function

from tests.fixtures_redis import RedisServer

T = TypeVar("T")
_numbers = count()


class Runner(Protocol):
    def __call__(self, request: tables.Request[T]) -> T: ...


@pytest.fixture(params=["blocking", "async"])
def run(request: pytest.FixtureRequest, redis_instance: RedisServer) -> Iterator[Runner]:
    if request.param == "blocking":
        blocking = tables.Tables(redis_instance.address, timeout_s=10)
        yield blocking.run
        blocking.close()
        return

    def run_async(operation: tables.Request[T]) -> T:
        async def once() -> T:
            client = tables.AsyncTables(redis_instance.address, timeout_s=10)
            try:
                return await client.run(operation)
            finally:
                await client.close()

        return asyncio.run(once())

    yield run_async


@pytest.fixture
def session_id() -> SessionId:
    return SessionId(f"tables-{next(_numbers)}")


def describe(session_id: SessionId, started_at: float) -> tables.SessionDescription:
    return tables.SessionDescription(
        session_id=session_id, started_at=started_at, node_socket="/s/node.sock", host="h", pid=7
    )


def test_a_session_is_registered_marked_ended_and_removed(run: Runner, session_id: SessionId) -> None:
    assert run(tables.get_session(session_id)) is None
    description = describe(session_id, 5.0)
    run(tables.put_session(description))
    assert run(tables.get_session(session_id)) == description
    ended = msgspec.structs.replace(description, ended_at=9.0)
    run(tables.put_session(ended))
    assert ended in run(tables.list_sessions())
    run(tables.remove_session(session_id))
    assert run(tables.get_session(session_id)) is None


def test_sessions_are_listed_oldest_first_and_a_foreign_entry_hides_none(
    run: Runner, session_id: SessionId, redis_instance: RedisServer
) -> None:
    younger, older = describe(session_id, 20.0), describe(SessionId(session_id + "b"), 10.0)
    run(tables.put_session(younger))
    run(tables.put_session(older))
    redis_instance.call(b"HSET", SESSIONS, b"foreign", b'{"from": "the future"}')
    assert [s for s in run(tables.list_sessions()) if s.session_id.startswith(session_id)] == [older, younger]
    redis_instance.call(b"DEL", SESSIONS)
    assert run(tables.list_sessions()) == []


def test_functions_are_found_by_their_hash(run: Runner, session_id: SessionId) -> None:
    functions = [
        Function(function_hash(code), "f", "m", "def f(): ...", code, Cell("k", "c", 3, 1))
        for code in (b"one", b"two\r\n", bytes(range(256)) * 1000)
    ]
    run(tables.put_functions(session_id, functions))
    run(tables.put_functions(session_id, functions[:1]))
    for function in functions:
        assert run(tables.get_function(session_id, function.function_hash)) == function
    assert run(tables.get_function(session_id, function_hash(b"three"))) is None


def test_nodes_are_listed_in_the_order_they_joined(run: Runner, session_id: SessionId) -> None:
    nodes = [
        tables.NodeDescription(
            node_id=NodeId(name), host="h", pid=1, socket="/s", resources=(("CPU", 20000),), joined_at=at
        )
        for name, at in (("b", 1.0), ("a", 2.0))
    ]
    for node in reversed(nodes):
        run(tables.put_node(session_id, node))
    assert run(tables.list_nodes(session_id)) == nodes
    run(tables.put_node(session_id, msgspec.structs.replace(nodes[0], left_at=3.0)))
    assert run(tables.list_nodes(session_id))[0].left_at == 3.0


def test_all_keys_of_a_session_go_at_once(run: Runner, session_id: SessionId, redis_instance: RedisServer) -> None:
    run(tables.put_functions(session_id, [Function(function_hash(b"f"), "f", "m", "", b"f")]))
    run(tables.delete_keys(session_id))
    assert redis_instance.call(b"EXISTS", *session_keys(session_id)) == 0


def test_a_key_of_another_type_is_our_own_bug(run: Runner, session_id: SessionId, redis_instance: RedisServer) -> None:
    redis_instance.call(b"SET", session_keys(session_id).nodes, b"text")
    with pytest.raises(InternalError, match="WRONGTYPE"):
        run(tables.list_nodes(session_id))


def test_a_server_that_is_away_is_said_at_once() -> None:
    away = tables.Tables(GcsAddress(path="/nowhere/redis.sock"), timeout_s=10)
    with pytest.raises(GcsUnavailableError, match="no Redis server listens"):
        away.run(tables.list_sessions())
    away.close()


def test_a_lost_connection_is_opened_again(redis_instance: RedisServer, session_id: SessionId) -> None:
    async def test() -> None:
        blocking = tables.Tables(redis_instance.address, timeout_s=10)
        concurrent = tables.AsyncTables(redis_instance.address, timeout_s=10)
        for _ in range(2):
            for attempt in range(2):
                # The first command after the loss may be the one that notices it.
                try:
                    blocking.run(tables.list_nodes(session_id))
                    await concurrent.run(tables.list_nodes(session_id))
                    break
                except GcsUnavailableError:
                    assert attempt == 0
            redis_instance.call(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes")
        blocking.close()
        await concurrent.close()

    asyncio.run(test())
