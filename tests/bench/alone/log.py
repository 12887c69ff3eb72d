"""The event log as memory: what it costs, how flat its memory stays, how fast it answers.

The sizes of `make bench` are small; the real ones take minutes:

    python -m tests.bench.alone.log --tasks 5000000 --facts 10000000
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cellray
from cellray.gcs.address import parse_address
from cellray.gcs.archive.reader import ArchiveReader
from cellray.gcs.archive.writer import ArchiveWriter
from cellray.gcs.clients import make_client
from cellray.gcs.log_history import LogHistory
from cellray.ids import ObjectId, TaskId, child_task_id, children_prefix, producer_of
from cellray.model.fact import Fact, TaskFinished, TasksDispatched, TasksSubmitted, encode_facts
from cellray.model.object import ObjectValue
from cellray.model.task import TaskSpec, TemplateId
from cellray.ports import LogRecord

BATCH = 50_000
LIMIT_BYTES_MIN = 16 * 1024 * 1024
ROUNDS = 4
LEVEL_AFTER = 0.2
"""Of all tasks, so many must have run before the memory is to be level: one million of five."""
FACTS_PER_TASK = 1.012
"""One end for each task; a submission for 500 and a dispatch for 125 of them."""
FOLLOWED = 40
LOOKUPS = 50
WAIT_S = 600.0
PARENT = TaskId(b"p" * 16)


def measure(tasks: int, facts: int) -> dict[str, float]:
    """All of it."""
    with tempfile.TemporaryDirectory(prefix="cr-") as home, _settings(CELLRAY_HOME=home):
        return {"log_cost": cost(tasks // 14), **memory(tasks), "log_seen_s": seen(), **lookup(facts)}


def cost(tasks: int) -> float:
    """Throughput of empty tasks with the log, over throughput without; alternating, the medians of both."""
    rates: dict[str, list[float]] = {"0": [], "1": []}
    for _ in range(ROUNDS):
        for discarded, found in rates.items():
            with _session(CELLRAY_LOG_DISCARDED=discarded) as session:
                same = _make_same()
                _run(same, min(BATCH, tasks))
                began = time.perf_counter()
                for _ in range(max(tasks // BATCH, 1)):
                    _run(same, min(BATCH, tasks))
                found.append(1 / (time.perf_counter() - began))
            cellray.open_log(session.session_id).close()  # until it is archived, so that it disturbs nobody
    return statistics.median(rates["0"]) / statistics.median(rates["1"])


def memory(tasks: int) -> dict[str, float]:
    """Redis' memory while empty tasks run, under a limit that makes it matter; and whether all is there at last."""
    limit = max(LIMIT_BYTES_MIN, min(256 * 1024 * 1024, 50 * tasks))
    batch = min(BATCH, tasks // 8)
    samples: list[int] = []
    first: list[TaskId] = []
    began = time.perf_counter()
    with _session(CELLRAY_LOG_MEMORY_BYTES_MAX=str(limit)) as session:
        same = _make_same()
        client = make_client(parse_address(session.gcs_url), 10.0)
        for done in range(0, tasks, batch):
            ids = _run(same, batch)
            first = first or ids
            info = client.info("memory")
            used = int(info["used_memory"]) - int(info["mem_not_counted_for_evict"])
            print(f"{done + batch} tasks, {time.perf_counter() - began:.1f} s: {used / 1e6:.1f} MB", flush=True)
            if done >= LEVEL_AFTER * tasks:
                samples.append(used)
        client.close()
        run_s = time.perf_counter() - began
        with cellray.open_log() as log:
            log.history.find(first[:1])  # imports what reads Redis and Parquet
            began = time.perf_counter()
            assert log.history.find(first[500:501]).keys() == {first[500]}, "a task of the first thousand is not found"
            early_s = time.perf_counter() - began
    began = time.perf_counter()
    with cellray.open_log(session.session_id) as log:
        finish_s = time.perf_counter() - began
        ended = sum(isinstance(told.fact, TaskFinished) for told in log.history.iter())
        missed = log.missed_records
    print(f"{run_s:.1f} s, then {finish_s:.1f} s until the rest was archived; {ended} ends logged, {missed} missed")
    assert ended == -(-tasks // batch) * batch, f"{ended} ends of {tasks} tasks are in the log"
    assert not missed
    middle = statistics.median(samples)
    return {
        "log_memory_max": max(samples) / limit,
        "log_memory_spread": max(max(samples) - middle, middle - min(samples)) / middle,
        "log_early_find_s": early_s,
    }


def seen() -> float:
    """Seconds from a task's end until a follower has seen it; the median."""
    delays: list[float] = []
    with _session(CELLRAY_FOLLOW_INTERVAL_MS="0"):
        same, follower = _make_same(), cellray.observe.follower()
        for number in range(FOLLOWED):
            ref = same.remote(number)
            cellray.get(ref)
            task = producer_of(ObjectId(ref.binary()))
            assert follower.wait_for(lambda fold, task=task: task in fold.tasks and fold.tasks[task].ended, 10.0)
            delays.append(time.time() - follower.fold.tasks[task].finished_at)
        cellray.observe.close_follower()
    return statistics.median(delays)


def lookup(facts: int) -> dict[str, float]:
    """Seconds to find all facts of a task in an archive of so many facts: with everything closed before, and open."""
    tasks = round(facts / FACTS_PER_TASK)
    chance = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="cr-") as folder:
        writer = ArchiveWriter(Path(folder))
        began = time.process_time()
        for record in _history(tasks):
            writer.add(record)
        writer.close_segment()
        writer.close()
        archive_s = (time.process_time() - began) / tasks
        cold, warm = [], []
        wanted = [child_task_id(children_prefix(PARENT), chance.randrange(tasks)) for _ in range(LOOKUPS)]
        shared = LogHistory(ArchiveReader(Path(folder)))
        for task in wanted:
            alone = LogHistory(ArchiveReader(Path(folder)))
            cold.append(_find(alone, task))
            alone.close()
            warm.append(_find(shared, task))
        shared.close()
    return {
        "log_archive_cpu_s": archive_s,
        "log_find_closed_s": statistics.median(cold),
        "log_find_s": statistics.median(warm),
    }


def _find(history: LogHistory, task: TaskId) -> float:
    began = time.perf_counter()
    found = history.find([task])[task]
    assert len(found.facts) == 3
    return time.perf_counter() - began


def _history(tasks: int) -> Iterator[LogRecord]:
    """A log of tasks that were submitted 500 at a time."""
    prefix, sequence, node = children_prefix(PARENT), 0, "6988e22bf7ce269159533e72042336a5b40aff44fde76d3b4d5a4dd3"
    value = ObjectValue(0, b"\x80\x05N.")
    for first in range(0, tasks, 500):
        ids = [child_task_id(prefix, index) for index in range(first, first + 500)]
        at = 1.7e9 + first * 1e-5
        specs = [TaskSpec(index, TemplateId(1 << 60), b"\x80\x05]" + bytes(20)) for index in range(first, first + 500)]
        batches: list[tuple[int, list[Fact]]] = [(1, [TasksSubmitted(PARENT, at, specs)])]
        for start in range(0, 500, 125):
            some = ids[start : start + 125]
            batches.append((0, [TasksDispatched(2, at, some)]))  # type: ignore[arg-type]
            batches.append((2, [TaskFinished(task, at, at + 1e-6, (value,)) for task in some]))
        for source, facts in batches:
            sequence += 1
            yield LogRecord(sequence, node, source, encode_facts(facts))


@contextmanager
def _session(**settings: str) -> Iterator[cellray.Session]:
    with _settings(**settings), cellray.init(num_cpus=2, log_to_driver=False) as session:
        yield session


@contextmanager
def _settings(**settings: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _make_same() -> cellray.RemoteFunction:
    @cellray.remote
    def same(x: object) -> object:
        return x

    return same


def _run(same: cellray.RemoteFunction, count: int) -> list[TaskId]:
    refs = [same.remote(None) for _ in range(count)]
    cellray.get(refs)
    return [producer_of(ObjectId(ref.binary())) for ref in refs[:1000]]


def main() -> None:
    """Measure in the sizes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5_000_000, help="empty tasks to run (default 5,000,000)")
    parser.add_argument("--facts", type=int, default=10_000_000, help="facts to look one up in (default 10,000,000)")
    options = parser.parse_args()
    for name, figure in measure(options.tasks, options.facts).items():
        print(f"{name}: {figure:.6g}", flush=True)


if __name__ == "__main__":
    main()
