"""Calls of actors. Definitions follow Ray's own microbenchmark (ray/_private/ray_perf.py)."""

from __future__ import annotations

import os

from tests.bench.contender import Contender, Plan
from tests.bench.loads.rates import rate, throughput


def plain(contender: Contender, plan: Plan) -> dict[str, float]:
    """One caller, one actor."""
    return _one_to_one(contender, plan, "actor_calls", is_async=False)


def asynchronous(contender: Contender, plan: Plan) -> dict[str, float]:
    """The same with an `async` method."""
    return _one_to_one(contender, plan, "async_actor_calls", is_async=True)


def _one_to_one(contender: Contender, plan: Plan, name: str, *, is_async: bool) -> dict[str, float]:
    actor = contender.actor(is_async=is_async)
    return {
        f"{name}_blocking_per_s": rate(lambda: contender.call(actor), plan["seconds"]),
        f"{name}_per_s": throughput(lambda count: contender.calls(actor, count), plan["seconds"]),
    }


def pairs(contender: Contender, plan: Plan) -> dict[str, float]:
    """A client and an actor for every two cores; every client calls every actor ("n:n actor calls with arg async")."""
    count = max(1, (os.cpu_count() or 1) // 2)
    per_pair = throughput(contender.pairs(count), plan["seconds"])
    return {"pair_calls_per_s": count * count * per_pair}
