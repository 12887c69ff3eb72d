"""Empty tasks. Definitions follow Ray's own microbenchmark (ray/_private/ray_perf.py): figures can be compared."""

from __future__ import annotations

from tests.bench.contender import Contender, Plan
from tests.bench.loads.rates import rate, throughput

BATCH = 1000
SUBMITTERS = 4
WAITED_FOR = 1000


def round_trips(contender: Contender, plan: Plan) -> dict[str, float]:
    """One at a time ("single client tasks sync")."""
    return {"round_trips_per_s": rate(contender.round_trip, plan["seconds"])}


def pipelined(contender: Contender, plan: Plan) -> dict[str, float]:
    """As many as fit the time at once."""
    return {"pipelined_per_s": throughput(contender.pipelined, plan["seconds"])}


def batches(contender: Contender, plan: Plan) -> dict[str, float]:
    """A thousand at once, and again ("single client tasks async")."""
    return {"batches_per_s": BATCH * rate(lambda: contender.pipelined(BATCH), plan["seconds"])}


def nested(contender: Contender, plan: Plan) -> dict[str, float]:
    """From four workers at once ("multi client tasks async")."""
    per_submitter = throughput(lambda count: contender.nested(SUBMITTERS, count), plan["seconds"])
    return {"nested_per_s": SUBMITTERS * per_submitter}


def wait(contender: Contender, plan: Plan) -> dict[str, float]:
    """A thousand, waited for one by one ("single client wait 1k refs")."""
    return {"waits_per_s": rate(lambda: contender.wait_one_by_one(WAITED_FOR), plan["seconds"])}


def pool_map(contender: Contender, plan: Plan) -> dict[str, float]:
    """As long a list as fits the time, in chunks as large as the pool makes them."""
    return {"mapped_per_s": throughput(contender.pool_map, plan["seconds"])}
