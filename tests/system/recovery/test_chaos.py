"""Random graphs of tasks, nested tasks and actors, while workers are killed, objects dropped and the store is small.

Every result must be what it is without faults, no task may be lost, and none be counted twice. This replays the graph
and the drawing of faults of one seed, as long as wanted; what runs when they strike is not the seed's to say:

    CHAOS_SEED=7 CHAOS_TASKS=2000 .venv/bin/python -m pytest tests/system/recovery/test_chaos.py
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import cellray
import pytest
from cellray import testing
from cellray.ids import TaskId, child_task_id, children_prefix
from cellray.model import fact as f

from tests.helpers.chaos import MODULUS, Ledger, Plan, Worker, number_of, result_of, work

SEED = int(os.environ.get("CHAOS_SEED", "1"))
TASKS = int(os.environ.get("CHAOS_TASKS", "20000"))
ROUND = 250
KEPT_MAX = 120
TRIES = 10
GET_S_MAX = 100.0


@pytest.fixture(scope="module", autouse=True)
def session(home: str) -> Iterator[cellray.Session]:
    """Two CPUs and so little memory that objects move to disk and back all the time.

    Retries hardly pause: the few tasks that run are those that are hit, over and over.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLRAY_RETRY_PAUSE_MS", "1")
        patch.setenv("CELLRAY_RETRY_PAUSE_S_MAX", "0.01")
        started = cellray.init(num_cpus=2, object_store_memory=12 << 20, log_to_driver=False)
    with started:
        yield started


class Vandal:
    """Breaks something now and then: the worker of a task, the process of an actor, an object."""

    def __init__(self, seed: int, actors: list[Any]) -> None:
        self.done: Counter[str] = Counter()
        self._random = Random(f"vandal {seed}")
        self._actors = actors

    def act(self, running: list[Any], made: list[Any]) -> None:
        """`running` are tasks of this round, `made` what is kept of earlier ones."""
        choice = self._random.random()
        if choice < 0.001:
            self._try("actors killed", testing.kill_worker, self._actors)
        elif choice < 0.03:
            _, pending = cellray.wait(running, num_returns=len(running), timeout=0)
            self._try("workers killed", testing.kill_worker, pending[:TRIES])
        elif choice < 0.06:
            self._try("objects dropped", testing.drop_object, made)

    def _try(self, fault: str, break_it: Callable[[Any], None], targets: list[Any]) -> None:
        """Of tasks that have ended no worker can be killed, and of others no object be dropped: another one then."""
        for target in self._random.sample(targets, min(len(targets), TRIES)):
            with contextlib.suppress(ValueError):
                break_it(target)
                self.done[fault] += 1
                return


def draw(random: Random, number: int) -> Plan:
    kind = random.choices(("task", "call", "entry"), (16, 3, 1))[0]
    children = random.choice((0, 0, 0, 1, 3)) if kind == "task" else 0
    return Plan(kind, number, children, kind == "task" and random.random() < 0.3)


def run(seed: int, tasks: int) -> tuple[int, Counter[str]]:
    """The program: rounds of tasks that take results of earlier ones, of which the driver keeps some."""
    random = Random(f"chaos {seed}")
    actors, ledger, total = [Worker.remote() for _ in range(3)], Ledger.remote(), 0
    vandal = Vandal(seed, [*actors, ledger])
    kept: list[tuple[cellray.ObjectRef, int]] = []
    submitted = len(actors) + 1
    while submitted < tasks:
        fresh: list[tuple[cellray.ObjectRef, int]] = []
        for _ in range(ROUND):
            plan = draw(random, random.randrange(MODULUS))
            inputs = random.choices([*kept, *fresh], k=random.randint(0, 3)) if kept or fresh else []
            numbers = [number for _, number in inputs]
            if plan.kind == "entry":
                call, total = ledger.enter, result_of(plan, [total, *numbers])
                expected = total
            else:
                call, expected = random.choice(actors).work if plan.kind == "call" else work, result_of(plan, numbers)
            fresh.append((call.remote(plan, *[ref for ref, _ in inputs]), expected))
            submitted += 1 + plan.children
            vandal.act([ref for ref, _ in fresh], [ref for ref, _ in kept])
        for ref, expected in fresh:
            assert number_of(cellray.get(ref, timeout=GET_S_MAX)) == expected, f"seed {seed}: {ref.hex()}"
        kept = random.sample([*kept, *fresh], min(len(kept) + len(fresh), KEPT_MAX))
    for ref, expected in kept:
        assert number_of(cellray.get(ref, timeout=GET_S_MAX)) == expected, f"seed {seed}: {ref.hex()}"
    return submitted, vandal.done


def check_log(submitted: int) -> None:
    """Each task is there once, whoever ran again, and each has ended."""
    tasks: set[TaskId] = set()
    ended: set[TaskId] = set()
    results: dict[TaskId, Any] = {}
    with cellray.open_log() as log:
        facts = [told.fact for told in log.history.iter()]
    for fact in facts:
        if isinstance(fact, f.TasksSubmitted):
            prefix = children_prefix(fact.parent_id)
            tasks |= {child_task_id(prefix, spec.index) for spec in fact.tasks}
        elif isinstance(fact, f.TaskFinished):
            ended.add(fact.task_id)
            given = tuple((value.kind, value.data) for value in fact.values)
            assert results.setdefault(fact.task_id, given) == given, "it gave another value when it ran again"
        elif isinstance(fact, f.TaskFailed | f.TaskCancelled):
            raise AssertionError(f"a task did not finish: {fact}")
    assert len(tasks) == submitted
    assert ended == tasks


def chaos(tasks: int) -> None:
    began = time.monotonic()
    submitted, done = run(SEED, tasks)
    print(f"CHAOS_SEED={SEED}: {submitted} tasks in {time.monotonic() - began:.1f} s, {dict(done)}")  # noqa: T201
    assert done["workers killed"] > 1, done
    assert done["objects dropped"] > 1, done
    check_log(submitted)


@pytest.mark.timeout(max(120, TASKS / 20))
def test_random_graphs() -> None:
    chaos(TASKS)
