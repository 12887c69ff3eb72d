"""What it takes to rebuild actors, after the paper's Fig. 11b: many actors, a fifth of them killed in the midst of it.

.venv/bin/python -m tests.bench.alone.actor_recovery --actors 200 --calls 10000
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from typing import Any, NamedTuple

import cellray

WAIT_S = 600


class Size(NamedTuple):
    """`calls` are those of all actors together; a checkpoint is made `every` so many of one actor."""

    actors: int = 200
    calls: int = 10_000
    every: int = 10
    work_s: float = 0.001
    killed_share: float = 0.2


class Figures(NamedTuple):
    """`again` are the calls that ran a second time, `wait_s` is how long those after the kill took to be answered."""

    again: int
    total_s: float
    wait_s: float


class Counter:
    """Its methods take a while, and change its state."""

    def __init__(self, work_s: float) -> None:
        self.work_s = work_s
        self.count = 0

    def step(self) -> int:
        time.sleep(self.work_s)
        self.count += 1
        return self.count

    @cellray.method(read_only=True)
    def pid(self) -> int:
        return os.getpid()


class CheckpointedCounter(Counter):
    """The same, with checkpoints."""

    def __checkpoint__(self) -> int:
        return self.count

    def __restore__(self, state: int) -> None:
        self.count = state


def kinds(size: Size) -> dict[str, Any]:
    """The actors that are compared, by how they keep their state."""
    return {
        "nobody killed, nothing kept": cellray.remote(recover=False)(Counter),
        "nobody killed, with checkpoints": cellray.remote(checkpoint_every=size.every)(CheckpointedCounter),
        "killed, with checkpoints": cellray.remote(checkpoint_every=size.every)(CheckpointedCounter),
        "killed, without": cellray.remote(recover="replay")(Counter),
    }


def measure(actor_class: Any, size: Size, *, kills: bool) -> Figures:
    """In a session of its own. Raises AssertionError when a call has seen another state than it should."""
    cellray.init(num_cpus=os.cpu_count())
    try:
        actors = [actor_class.remote(size.work_s) for _ in range(size.actors)]
        pids = cellray.get([actor.pid.remote() for actor in actors], timeout=WAIT_S)
        each = size.calls // size.actors
        begin = time.perf_counter()
        first = [actor.step.remote() for _ in range(each // 2) for actor in actors]
        cellray.get(first, timeout=WAIT_S)
        for pid in pids[: int(size.actors * size.killed_share)] if kills else ():
            os.kill(pid, signal.SIGKILL)
        half = time.perf_counter()
        second = [actor.step.remote() for _ in range(each - each // 2) for actor in actors]
        counts = cellray.get(second, timeout=WAIT_S)
        end = time.perf_counter()
        expected = [number for number in range(each // 2 + 1, each + 1) for _ in actors]
        assert counts == expected, "a call has seen a state that is not that of all calls before it"
        return Figures(run_again(int(size.actors * size.killed_share) if kills else 0), end - begin, end - half)
    finally:
        cellray.shutdown()


def run_again(restarts: int) -> int:
    """How many calls ran a second time, by the log, which is written a little later than things happen."""
    with cellray.open_log() as log:
        deadline = time.monotonic() + WAIT_S
        while sum(actor.restarts for actor in log.latest().actors.values()) < restarts:
            assert time.monotonic() < deadline, "the log does not tell of the restarts"
            time.sleep(0.1)
        return sum(actor.replayed for actor in log.latest().actors.values())


def main() -> None:
    """Measure all kinds, one after another, and print them as a table."""
    parser = argparse.ArgumentParser(description="Calls that run again after a fifth of the actors was killed.")
    for name, default in Size()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    size = Size(**vars(parser.parse_args()))
    print(f"{size.actors} actors, {size.calls} calls of {size.work_s * 1e3:g} ms, a checkpoint every {size.every}")
    print("| | calls that ran again | all calls, s | those after the kill, s |")
    print("|---|--:|--:|--:|")
    for name, actor_class in kinds(size).items():
        figures = measure(actor_class, size, kills=name.startswith("killed"))
        print(f"| {name} | {figures.again} | {figures.total_s:.2f} | {figures.wait_s:.2f} |", flush=True)


if __name__ == "__main__":
    main()
