"""Values that are stored and read: small ones, arrays, and one that holds many references."""

from __future__ import annotations

from typing import Any

from tests.bench.contender import Contender, Plan
from tests.bench.loads.rates import rate

REFERENCES = 10_000
ARRAY_BYTES = 100_000_000
SMALLER_BYTES = 1_000_000
WARM_PUTS = 30
"""Until a store's pages have been touched, page faults are measured and not copies."""


def small(contender: Contender, plan: Plan) -> dict[str, float]:
    """Ray's "single client put calls" and "single client get calls": a number."""
    reference = contender.put(0)
    return {
        "puts_per_s": rate(lambda: contender.put(0), plan["seconds"]),
        "gets_per_s": rate(lambda: contender.fetch(reference), plan["seconds"]),
    }


def arrays(contender: Contender, plan: Plan) -> dict[str, float]:
    """Large arrays put one after another, each dropped before the next; what copying takes within the process; gets."""
    import numpy as np

    seconds = plan["seconds"]
    array = np.ones(plan["array_bytes"], np.uint8)
    target = np.ones_like(array)
    copies = rate(lambda: np.copyto(target, array), seconds / 2)
    for _ in range(WARM_PUTS):
        contender.put(array)
    puts = rate(lambda: contender.put(array), seconds)
    reference, smaller = contender.put(array), contender.put(array[:SMALLER_BYTES])
    _check(contender, reference)
    return {
        "put_bytes_per_s": puts * array.nbytes,
        "copied_bytes_per_s": copies * array.nbytes,
        "array_gets_per_s": rate(lambda: contender.fetch(reference), seconds),
        "smaller_array_gets_per_s": rate(lambda: contender.fetch(smaller), seconds),
    }


def _check(contender: Contender, reference: Any) -> None:
    got = contender.fetch(reference)
    if int(got[-1]) != 1:
        raise AssertionError("the array came back changed")


def references(contender: Contender, plan: Plan) -> dict[str, float]:
    """Ray's "single client get object containing 10k refs"."""
    reference = contender.many_references(REFERENCES)
    contender.fetch(reference)
    return {"many_references_per_s": rate(lambda: contender.fetch(reference), plan["seconds"])}
