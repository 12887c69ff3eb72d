"""The parts that are measured alone, by group. What they import is imported by those who measure them only."""

from __future__ import annotations

import gc
from collections.abc import Callable

from tests.bench.contender import Outcome, Plan


def core(plan: Plan) -> dict[str, float]:
    """The pure core."""
    from tests.bench.alone.core import Bench

    return {"core_us": sum(Bench().run(plan["alone_tasks"]).values())}


def gcs(plan: Plan) -> dict[str, float]:
    """The event log, from this side."""
    from tests.bench.alone.gcs import measure

    return measure(plan["alone_tasks"])


def observe(plan: Plan) -> dict[str, float]:
    """The views on the log."""
    from tests.bench.alone.observe import measure

    return measure(plan["alone_tasks"])


def log(plan: Plan) -> dict[str, float]:
    """The log as memory, in small sizes; with fewer tasks its memory would not come to a level."""
    from tests.bench.alone.log import measure

    return measure(7 * plan["alone_tasks"], plan["alone_tasks"])


ALONE: dict[str, Callable[[Plan], dict[str, float]]] = {"core": core, "gcs": gcs, "observe": observe, "log": log}


def measure_alone(plan: Plan) -> Outcome:
    """Figures of the groups that are wanted. The collector is off meanwhile."""
    figures: dict[str, float] = {}
    gc.disable()
    try:
        for group, part in ALONE.items():
            if group in plan["only"]:
                figures |= part(plan)
                gc.unfreeze()
                gc.collect()
    finally:
        gc.enable()
    return {"figures": figures, "failed": {}}
