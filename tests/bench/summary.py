"""Statistics of repeats: medians and spreads, and ratios of contenders that ran in turn."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Summary(NamedTuple):
    """The middle one of the repeats, the least and the greatest."""

    median: float
    low: float
    high: float


def summarise(values: Sequence[float]) -> Summary | None:
    """None when there is nothing to summarise."""
    return Summary(statistics.median(values), min(values), max(values)) if values else None


def ratio(ours: Sequence[float | None], theirs: Sequence[float | None], *, more_is_better: bool) -> float | None:
    """How many times better ours is: the median over the rounds, in each of which both ran one after the other.

    Rounds that lack one of the two are left out; None when none is left.
    """
    ratios = [
        mine / other if more_is_better else other / mine
        for mine, other in zip(ours, theirs, strict=True)
        if mine and other
    ]
    return statistics.median(ratios) if ratios else None
