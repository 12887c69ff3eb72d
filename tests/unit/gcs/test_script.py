"""`gcs/script.py`: a script runs whether the server knows it or not."""

from __future__ import annotations

import asyncio

import pytest
from cellray.gcs.faults import AnsweredError
from cellray.gcs.log_writer import RedisLogWriter
from cellray.gcs.resp import RespClient, pack_parts
from cellray.gcs.script import Script
from cellray.ids import SessionId

from tests.fixtures_redis import running_redis
from tests.helpers.archives import keyed, records

SESSION = SessionId("s")


def test_a_script_runs_on_a_server_that_does_not_know_it_yet_and_on_one_that_forgot_it() -> None:
    with running_redis() as server:

        async def test() -> None:
            writer = RedisLogWriter(server.address, SESSION, timeout_s=10)
            for first in (1, 11, 21):
                await writer.append(keyed(records(first, first + 9)))
                if first == 11:
                    server.call(b"SCRIPT", b"FLUSH")
            await writer.close()

        asyncio.run(test())
        calls = str(server.call(b"INFO", b"commandstats"))
    assert "cmdstat_evalsha:calls=3," in calls
    assert "cmdstat_eval:calls=2," in calls, "in full when it is not known, and only then"


def test_what_a_script_is_answered_otherwise_is_raised() -> None:
    with running_redis() as server:

        async def test() -> None:
            client = RespClient(server.address, timeout_s=10)
            with pytest.raises(AnsweredError, match="Number of keys"):
                await Script("trim.lua").run(client, pack_parts(b"7"), 1)
            await client.close()

        asyncio.run(test())
