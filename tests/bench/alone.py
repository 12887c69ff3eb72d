"""What the parts of Cellray cost by themselves, without a session. Measured in a process of its own."""

from __future__ import annotations

import gc
import json
import sys

from tests.bench.contender import Outcome, Plan

ALONE = ("core",)
"""The groups of these measures."""


def core_us(tasks: int) -> float:
    """Microseconds of the core for a task; the collector is off meanwhile."""
    from tests.bench.bench_core import Bench

    gc.disable()
    try:
        return sum(Bench().run(tasks).values())
    finally:
        gc.enable()


def measure_alone(plan: Plan) -> Outcome:
    """Figures of the groups that are wanted."""
    figures: dict[str, float] = {}
    if "core" in plan["only"]:
        figures["core_us"] = core_us(plan["core_tasks"])
    return {"figures": figures, "failed": {}}


if __name__ == "__main__":
    print(json.dumps(measure_alone(json.loads(sys.argv[1]))), flush=True)
