"""What the GCS costs: start of its server, one append, adding to the buffer, reading back."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from cellray.clock import SystemClock
from cellray.config import Config
from cellray.gcs import redis_server
from cellray.gcs.log_buffer import LogBuffer
from cellray.gcs.log_reader import RedisLogReader
from cellray.gcs.log_writer import RedisLogWriter
from cellray.ids import NodeId, SessionId
from cellray.ports import LogRecord
from cellray.processes import end_process

from tests.fixtures_redis import TOKEN, RedisServer, running_redis

NODE = NodeId("node")
RECORD_BYTES = 200
LARGE_BYTES = 20_000
APPENDS = 1000
STARTS = 5
READ_AT_ONCE = 1000


def measure(records: int) -> dict[str, float]:
    """All of it, with so many records in the buffer."""
    with running_redis() as server:
        append_s, server_s = asyncio.run(_append(server))
        add_s, written_per_s = asyncio.run(_buffer(server, records))
        return {
            "redis_start_s": statistics.median(_start() for _ in range(STARTS)),
            "append_cpu_s": append_s,
            "append_server_cpu_s": server_s,
            "buffer_add_s": add_s,
            "records_written_per_s": written_per_s,
            "records_read_per_s": _read(server),
        }


def _start() -> float:
    """Seconds from nothing to the first PONG."""
    with tempfile.TemporaryDirectory(prefix="cr-") as folder:
        began = time.perf_counter()
        process = redis_server.start(Path(folder), TOKEN)
        redis_server.wait_ready(process, Path(folder), TOKEN, timeout_s=20)
        taken_s = time.perf_counter() - began
        end_process(process, patience_s=10)
    return taken_s


async def _append(server: RedisServer) -> tuple[float, float]:
    """CPU of this process and of the server for an append as large as a busy node's."""
    writer = RedisLogWriter(server.address, SessionId("append"), timeout_s=10)
    facts = bytes(LARGE_BYTES)
    await writer.append([LogRecord(1, NODE, 0, facts)])
    server_cpu, cpu = _cpu_s(server), time.process_time()
    for number in range(APPENDS):
        await writer.append([LogRecord(2 + number, NODE, 0, facts)])
    cpu, server_cpu = time.process_time() - cpu, _cpu_s(server) - server_cpu
    await writer.close()
    return cpu / APPENDS, server_cpu / APPENDS


async def _buffer(server: RedisServer, count: int) -> tuple[float, float]:
    """Seconds to add a record, which is the hot path, and records a second from there to the server."""
    writer = RedisLogWriter(server.address, SessionId("buffer"), timeout_s=10)
    buffer = LogBuffer(writer, NODE, Config(), SystemClock())
    buffer.start()
    payload = bytes(RECORD_BYTES)
    began = time.perf_counter()
    for _ in range(count):
        buffer.add(1, payload, 1)
    added_s = time.perf_counter() - began
    assert await buffer.drain(60)
    written_s = time.perf_counter() - began
    await writer.close()
    return added_s / count, count / written_s


def _read(server: RedisServer) -> float:
    """Records a second of a whole log, a thousand at a time."""
    reader = RedisLogReader(server.address, SessionId("buffer"), timeout_s=10)
    after = 0
    began = time.perf_counter()
    while batch := reader.read(after, READ_AT_ONCE):
        after = batch[-1].sequence
    taken_s = time.perf_counter() - began
    reader.close()
    return after / taken_s


def _cpu_s(server: RedisServer) -> float:
    """CPU time of the server so far, from the scheduler's own count (Linux)."""
    return int(Path(f"/proc/{server.process.pid}/schedstat").read_text().split()[0]) / 1e9
