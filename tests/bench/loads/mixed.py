"""Tasks that take time. What makes empty tasks fast (batches, prefetching) must not leave a core idle, nor hold a short
task behind a long one."""

from __future__ import annotations

import random
import time

from tests.bench.contender import WORKERS, Contender, Plan
from tests.bench.loads.rates import seconds_of

MIXED_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
LONG_S = 0.3
SHORT_TASKS = 20
BURSTS = 5


def spin(seconds: float) -> None:
    """Use this much CPU time. Not time on the clock: a core that does something else meanwhile is not used by tasks."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def sleep(seconds: float) -> None:
    """Take this long and use nothing."""
    time.sleep(seconds)


def utilisation(contender: Contender, plan: Plan) -> dict[str, float]:
    """Which share of two cores the tasks get, from the first submission to the last result."""
    total_s = WORKERS * 1.5 * plan["seconds"]
    loads = {
        "used_by_1_ms": [0.001] * round(total_s / 0.001),
        "used_by_10_ms": [0.01] * round(total_s / 0.01),
        "used_by_mixed": _mixed(total_s),
    }
    contender.run_all(spin, [0.001] * 50)
    return {name: sum(load) / (WORKERS * seconds_of(contender.run_all, spin, load)) for name, load in loads.items()}


def _mixed(total_s: float) -> list[float]:
    """The same for everybody. The last ones are short: what a single long one leaves idle at the end says nothing."""
    durations = list(MIXED_S) * round(total_s / sum(MIXED_S))
    random.Random(3).shuffle(durations)
    return durations + [MIXED_S[0]] * round(2 * WORKERS * max(MIXED_S) / MIXED_S[0])


def behind_a_long_one(contender: Contender, _plan: Plan) -> dict[str, float]:
    """A long task and short ones of the same function in one burst, when the function has been short so far: until the
    last short one is there. The worst of several bursts."""
    contender.run_all(sleep, [0.0] * 200)
    worst = 0.0
    for _ in range(BURSTS):
        begin = time.perf_counter()
        long_one, *short_ones = [contender.submit(sleep, s) for s in (LONG_S, *([0.0] * SHORT_TASKS))]
        for future in short_ones:
            contender.result(future)
        worst = max(worst, time.perf_counter() - begin)
        contender.result(long_one)
    return {"behind_long_s": worst}
