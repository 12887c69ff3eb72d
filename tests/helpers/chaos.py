"""What the tasks and actors of the chaos test do. Every new worker imports this, so it imports little itself."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import cellray
import numpy as np

LARGE = 20_000
"""Numbers of 8 bytes: more than travels inline."""
MODULUS = 1_000_003


class Plan(NamedTuple):
    """What one task does: with which number of its own, how many it calls, and whether its result is large."""

    kind: str
    number: int
    children: int
    is_large: bool


def mixed(number: int, others: list[int]) -> int:
    """The result of a task by its number and what it was given."""
    for other in others:
        number = (number * 31 + other) % MODULUS
    return number


def number_of(value: Any) -> int:
    """The number in a small result, or in a large one, which has it at both ends."""
    if isinstance(value, np.ndarray):
        assert value[0] == value[-1], "torn"
        return int(value[0])
    return int(value)


def result_of(plan: Plan, others: list[int]) -> int:
    """Without any runtime."""
    own = [mixed(plan.number + index, []) for index in range(plan.children)]
    return mixed(plan.number, [*others, *own])


@cellray.remote(max_retries=-1)
def leaf(number: int) -> int:
    return mixed(number, [])


@cellray.remote(max_retries=-1)
def work(plan: Plan, *others: Any) -> Any:
    children = [leaf.remote(plan.number + index) for index in range(plan.children)]
    number = mixed(plan.number, [*map(number_of, others), *cellray.get(children)])
    time.sleep(0.005 if plan.number % 8 == 0 else 0.0)
    return np.full(LARGE, number) if plan.is_large else number


@cellray.remote(max_restarts=-1, max_task_retries=-1, recover=False)
class Worker:
    def work(self, plan: Plan, *others: Any) -> int:
        return mixed(plan.number, [number_of(other) for other in others])
