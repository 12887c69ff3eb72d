"""The event log on Redis: all facts of a run, in order, and enough of them to run a task again."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import Session
from cellray.ids import ObjectId, TaskId, return_object_id
from cellray.model import fact as f
from cellray.model.object import ValueKind
from cellray.serialization import deserialize, deserialize_arguments, deserialize_function

from tests.helpers.event_log import facts_once, of_type, read_facts, submitted
from tests.helpers.scripts import run_script

OFFSET = 100


def position(facts: list[f.Fact], kind: type[Any], task_id: bytes) -> int:
    """Where the first fact of this kind about the task is."""
    for number, fact in enumerate(facts):
        if isinstance(fact, kind):
            ids = getattr(fact, "task_ids", None) or [getattr(fact, "task_id", None)]
            if task_id in ids:
                return number
    raise AssertionError(f"no {kind.__name__} about {task_id.hex()}")


def test_the_life_of_tasks_and_objects(session: Session) -> None:
    @cellray.remote(name="adder", num_cpus=0.5, max_retries=1)
    def add(a: int, b: int) -> int:
        return a + b  # source

    @cellray.remote
    def fail() -> None:
        raise ValueError("planned")

    stored = cellray.put(np.ones(100_000))
    small = cellray.put(40)
    result, failed = add.remote(small, b=2), fail.remote()
    assert cellray.get(result) == 42
    with pytest.raises(ValueError, match="planned"):
        cellray.get(failed)
    task_id, stored_id, result_id = result.task_id(), ObjectId(stored.binary()), ObjectId(result.binary())
    del stored, small, result
    gc.collect()

    def all_freed(facts: list[f.Fact]) -> bool:
        freed = {obj for fact in of_type(facts, f.ObjectsFreed) for obj in fact.object_ids}
        return {stored_id, result_id} <= freed

    facts = facts_once(session, all_freed, "the objects are freed")
    assert isinstance(facts[0], f.SessionStarted)
    assert facts[0].session_id == session.session_id
    assert isinstance(facts[1], f.NodeJoined)
    assert dict(facts[1].resources)["CPU"] == 20_000
    (job,) = of_type(facts, f.JobStarted)
    assert len(of_type(facts, f.WorkerStarted)) == 2

    spec = submitted(facts)[TaskId(task_id)]
    (template,) = [t.template for t in of_type(facts, f.TemplateRegistered) if t.template.name == "adder"]
    assert spec.template_id == template.template_id
    assert (template.resources, template.max_retries, template.num_returns) == ((("CPU", 5_000),), 1, 1)
    (function,) = [
        r.function for r in of_type(facts, f.FunctionRegistered) if r.function.function_hash == template.function_hash
    ]
    assert "return a + b  # source" in function.source
    assert function.name.endswith("add")
    (batch,) = [b for b in of_type(facts, f.TasksSubmitted) if spec in b.tasks]
    assert batch.parent_id == job.root_task_id

    finished = facts[position(facts, f.TaskFinished, task_id)]
    assert isinstance(finished, f.TaskFinished)
    assert deserialize(finished.values[0].data) == 42
    assert batch.at <= finished.finished_at
    assert finished.started_at <= finished.finished_at
    assert facts.index(batch) < position(facts, f.TasksDispatched, task_id) < facts.index(finished)
    failure = facts[position(facts, f.TaskFailed, failed.task_id())]
    assert isinstance(failure, f.TaskFailed)
    assert failure.summary == "ValueError: planned"
    assert not failure.will_retry

    (sealed,) = [fact for fact in of_type(facts, f.ObjectSealed) if fact.object_id == stored_id]
    assert (sealed.value.kind, sealed.value.object_bytes > 800_000) == (ValueKind.SHARED, True)
    freed = [fact for fact in of_type(facts, f.ObjectsFreed) if stored_id in fact.object_ids]
    assert len(freed) == 1
    assert facts.index(sealed) < facts.index(freed[0])


def test_the_end_of_jobs_and_of_tasks_that_never_ran(session: Session, tmp_path: Path) -> None:
    output = run_script(
        """
        import os, sys, time, cellray
        cellray.init("auto")
        @cellray.remote
        def busy(folder):
            print("busy", flush=True)
            open(f"{folder}/{os.getpid()}", "w").close()
            time.sleep(600)
        refs = [busy.remote(sys.argv[1]) for _ in range(4)]
        while len(os.listdir(sys.argv[1])) < 2:
            time.sleep(0.01)
        """,
        str(tmp_path),
    )
    assert output.returncode == 0, output
    facts = facts_once(
        session,
        lambda facts: len(of_type(facts, f.TaskCancelled)) == 4 and len(of_type(facts, f.TaskOutput)) == 2,
        "its tasks are cancelled, and what they printed is there",
    )
    (ended,) = of_type(facts, f.JobEnded)
    started = of_type(facts, f.JobStarted)
    assert [job.client_id for job in started][1] == ended.client_id
    assert {fact.task_id for fact in of_type(facts, f.TaskCancelled)} == set(submitted(facts))
    assert {fact.text for fact in of_type(facts, f.TaskOutput)} == {"busy\n"}


def test_every_record_has_its_place(session: Session) -> None:
    @cellray.remote
    def nest(n: int) -> int:
        return n if n == 0 else cellray.get(nest.remote(n - 1)) + 1

    assert cellray.get([nest.remote(4) for _ in range(40)]) == [4] * 40
    facts = facts_once(session, lambda facts: len(of_type(facts, f.TaskFinished)) == 200, "all is logged")
    specs = submitted(facts)
    assert len(specs) == 200
    assert {fact.task_id for fact in of_type(facts, f.TaskFinished)} == set(specs)
    parents = {batch.parent_id for batch in of_type(facts, f.TasksSubmitted)}
    (job,) = of_type(facts, f.JobStarted)
    assert len(parents) == 161
    assert parents - {job.root_task_id} <= set(specs)
    assert read_facts(session)[: len(facts)] == facts


def rerun(facts: list[f.Fact], obj: ObjectId) -> Any:
    """The value of an object, made again from the log alone."""
    for sealed in of_type(facts, f.ObjectSealed):
        if sealed.object_id == obj:
            return deserialize(sealed.value.data)
    specs = submitted(facts)
    (task_id,) = [task_id for task_id in specs if return_object_id(task_id, 0) == obj]
    spec = specs[task_id]
    (template,) = [
        fact.template for fact in of_type(facts, f.TemplateRegistered) if fact.template.template_id == spec.template_id
    ]
    (function,) = [
        fact.function
        for fact in of_type(facts, f.FunctionRegistered)
        if fact.function.function_hash == template.function_hash
    ]
    args, kwargs = deserialize_arguments(spec.args, [rerun(facts, dependency) for dependency in spec.dependencies])
    return deserialize_function(function.pickled)(*args, **kwargs)


def test_the_log_alone_suffices_to_run_a_task_again(session: Session) -> None:
    factor = 3

    @cellray.remote
    def scale(values: list[int], offset: int = 0) -> list[int]:
        return [value * factor + offset + OFFSET for value in values]

    @cellray.remote
    def total(*parts: list[int]) -> int:
        return sum(map(sum, parts))

    base = cellray.put([1, 2, 3])
    result = total.remote(scale.remote(base), scale.remote([4], offset=7))
    wide = scale.remote(list(range(50_000)))  # arguments and result too large to travel in frames
    values = [cellray.get(result), cellray.get(wide)]
    facts = facts_once(session, lambda facts: len(of_type(facts, f.TaskFinished)) == 4, "all is logged")
    cellray.shutdown()
    assert rerun(facts, ObjectId(result.binary())) == values[0]
    del result, wide
