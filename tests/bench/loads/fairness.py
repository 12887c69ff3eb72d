"""Two drivers of one session that both want more than there is: one keeps ten times as many tasks waiting as the other,
and should get no more for it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence

from tests.bench.contender import Contender, Plan
from tests.bench.loads.mixed import spin

WAITING = (500, 50)
TASK_S = 0.001


def two_drivers(contender: Contender, plan: Plan) -> dict[str, float]:
    """Jain's index of their throughputs: 1 when equal, 1/2 when one gets nothing."""
    address = contender.address
    drivers = [_start({"join": address, "waiting": waiting, "seconds": 2 * plan["seconds"]}) for waiting in WAITING]
    try:
        for driver in drivers:
            _read(driver)
        for driver in drivers:
            assert driver.stdin is not None
            driver.stdin.write("go\n")
            driver.stdin.flush()
        return {"fairness": jain([float(_read(driver)) for driver in drivers])}
    finally:
        for driver in drivers:
            driver.communicate(timeout=60)


def jain(shares: Sequence[float]) -> float:
    """R. Jain, D. Chiu, W. Hawe, "A Quantitative Measure of Fairness", DEC-TR-301, 1984."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def drive(contender: Contender, plan: Plan) -> None:
    """One of the drivers, in its own process: says that it is ready, waits to be told, says how many tasks it had
    finished."""
    contender.load()
    contender.join(plan["join"])
    contender.run_all(spin, [TASK_S] * 10)
    print("ready", flush=True)
    sys.stdin.readline()
    waiting = deque(contender.submit(spin, TASK_S) for _ in range(plan["waiting"]))
    finished, end = 0, time.perf_counter() + plan["seconds"]
    while time.perf_counter() < end:
        contender.result(waiting.popleft())
        finished += 1
        waiting.append(contender.submit(spin, TASK_S))
    print(json.dumps(finished), flush=True)
    contender.leave()


def _start(plan: Plan) -> subprocess.Popen[str]:
    main = sys.modules["__main__"].__spec__
    assert main is not None, "contenders are run with python -m"
    command = [sys.executable, "-m", main.name, json.dumps(plan)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _read(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    line = driver.stdout.readline()
    if not line:
        raise RuntimeError(f"a driver ended with status {driver.wait()}")
    return line
