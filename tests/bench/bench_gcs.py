"""What the GCS costs: start of its server, one append, adding to the buffer, reading back.

python -m tests.bench.bench_gcs
"""

from __future__ import annotations

import asyncio
import sys
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

from tests.fixtures_redis import TOKEN, RedisServer, running_redis

NODE = NodeId("node")
PACE_S = 0.003


def bench_start() -> None:
    """From nothing to the first PONG."""
    taken_ms = []
    for _ in range(15):
        with tempfile.TemporaryDirectory(prefix="cr-") as folder:
            began = time.perf_counter()
            process = redis_server.start(Path(folder), TOKEN)
            redis_server.wait_ready(process, Path(folder), TOKEN, timeout_s=20)
            taken_ms.append(1000 * (time.perf_counter() - began))
            redis_server.stop(process, timeout_s=10)
    taken_ms.sort()
    print(f"start to PONG: {taken_ms[0]:.1f} ms best, {taken_ms[7]:.1f} median, {taken_ms[-1]:.1f} worst of 15")


async def bench_append(server: RedisServer, record_bytes: int, batch: int, pace_s: float, count: int) -> None:
    """CPU of this process and of the server for each append, the pacing itself taken off."""
    writer = RedisLogWriter(server.address, SessionId(f"append-{record_bytes}-{batch}-{pace_s}"), timeout_s=10)
    facts = bytes(record_bytes)
    await writer.append([LogRecord(1, NODE, 0, facts)])
    idle_cpu = time.process_time()
    if pace_s:
        for _ in range(count):
            await asyncio.sleep(pace_s)
    idle_cpu = time.process_time() - idle_cpu
    server_cpu, cpu, began = cpu_s(server), time.process_time(), time.perf_counter()
    for i in range(count):
        await writer.append([LogRecord(2 + i * batch + k, NODE, 0, facts) for k in range(batch)])
        if pace_s:
            await asyncio.sleep(pace_s)
    wall = time.perf_counter() - began
    cpu, server_cpu = time.process_time() - cpu - idle_cpu, cpu_s(server) - server_cpu
    print(
        f"append {batch} x {record_bytes} B{f' each {1000 * pace_s:g} ms' if pace_s else ''}: "
        f"{1e6 * cpu / count:.0f} us CPU here, {1e6 * server_cpu / count:.0f} in the server, "
        f"{count * batch / wall:,.0f} records/s"
    )
    await writer.close()


async def bench_buffer(server: RedisServer, count: int) -> None:
    """The hot path, and how fast the buffer gets records of 200 bytes to the server."""
    writer = RedisLogWriter(server.address, SessionId("buffer"), timeout_s=10)
    buffer = LogBuffer(writer, NODE, Config(), SystemClock())
    buffer.start()
    payload = bytes(200)
    began = time.perf_counter()
    for _ in range(count):
        buffer.add(1, payload, 1)
    added = time.perf_counter()
    assert await buffer.drain(60)
    drained = time.perf_counter()
    print(
        f"buffer: add {1e9 * (added - began) / count:.0f} ns; "
        f"{count / (drained - began):,.0f} records/s from add to written"
    )
    await writer.close()


def bench_read(server: RedisServer, session_id: str) -> None:
    """A whole log, a thousand records at a time."""
    reader = RedisLogReader(server.address, SessionId(session_id), timeout_s=10)
    after = read_bytes = 0
    began = time.perf_counter()
    while batch := reader.read(after, 1000):
        after = batch[-1].sequence
        read_bytes += sum(len(record.facts) for record in batch)
    wall = time.perf_counter() - began
    print(f"read {session_id}: {after / wall:,.0f} records/s, {read_bytes / wall / 1e6:.0f} MB/s")
    reader.close()


def cpu_s(server: RedisServer) -> float:
    """CPU time of the server so far, from the scheduler's own count (Linux)."""
    return int(Path(f"/proc/{server.process.pid}/schedstat").read_text().split()[0]) / 1e9


def main() -> None:
    """All of them."""
    began = time.perf_counter()
    import redis.asyncio  # noqa: F401

    print(f"importing redis-py: {1000 * (time.perf_counter() - began):.0f} ms (Python {sys.version.split()[0]})")
    bench_start()
    with running_redis() as server:
        asyncio.run(bench_append(server, 20_000, 1, PACE_S, 1000))
        asyncio.run(bench_append(server, 20_000, 1, 0, 5000))
        asyncio.run(bench_append(server, 200, 1, 0, 10_000))
        asyncio.run(bench_append(server, 200, 100, 0, 1000))
        asyncio.run(bench_buffer(server, 100_000))
        bench_read(server, "append-20000-1-0")
        bench_read(server, "buffer")


if __name__ == "__main__":
    main()
