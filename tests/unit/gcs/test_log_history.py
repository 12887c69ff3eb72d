"""`gcs/log_history.py`: questions to a log, on the log in memory."""

from __future__ import annotations

import asyncio

import pytest
from cellray.gcs.log_history import LogHistory
from cellray.gcs.log_index import index_keys
from cellray.gcs.memory import MemoryLog, MemoryLogReader, MemoryLogWriter
from cellray.ids import FunctionHash, TaskId, child_task_id, children_prefix, put_object_id, return_object_id
from cellray.model import fact as told
from cellray.model.fact import Fact, encode_facts
from cellray.model.object import ObjectValue
from cellray.model.task import Function, TaskSpec, make_template
from cellray.ports import LogRecord

PARENT = TaskId(b"p" * 16)
PREFIX = children_prefix(PARENT)
FUNCTION = Function(FunctionHash(b"f" * 16), "f", "m", "def f(): ...", b"pickled")
TEMPLATE = make_template(FUNCTION.function_hash, "f", ())
VALUE = ObjectValue(0, b"x")
RECORDS: list[list[Fact]] = [
    [told.FunctionRegistered(FUNCTION, 1.0), told.TemplateRegistered(TEMPLATE, 1.0)],
    [told.TasksSubmitted(PARENT, 2.0, [TaskSpec(index, TEMPLATE.template_id) for index in range(300)])],
    [told.TasksDispatched(7, 3.0, [child_task_id(PREFIX, index) for index in (0, 1, 299)])],  # type: ignore[arg-type]
    [told.TaskFinished(child_task_id(PREFIX, index), 3.1, 3.2, (VALUE,)) for index in (0, 1)],
    [told.TaskFailed(child_task_id(PREFIX, 299), 3.1, 3.2, VALUE, "ValueError: bad", will_retry=True)],
    [told.TaskRetried(child_task_id(PREFIX, 299), 1, 3.3, "ValueError: bad")],
    [told.ObjectSealed(put_object_id(PARENT, 4), 4.0, VALUE)],
    [told.ObjectsFreed([return_object_id(child_task_id(PREFIX, 0), 0), put_object_id(PARENT, 4)], 5.0)],
]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def history(log: MemoryLog) -> LogHistory:
    append(log, [LogRecord(i, "n", i % 2, encode_facts(f), index_keys(f)) for i, f in enumerate(RECORDS, 1)])
    return LogHistory(MemoryLogReader(log))


def append(log: MemoryLog, records: list[LogRecord]) -> None:
    asyncio.run(MemoryLogWriter(log).append(records))


def test_a_task_has_everything_that_is_needed_to_run_it_again_and_what_became_of_it(history: LogHistory) -> None:
    task = child_task_id(PREFIX, 299)
    found = history.find([task])
    assert found.keys() == {task}
    assert found[task]._replace(facts=()) == (
        task, PARENT, TaskSpec(299, TEMPLATE.template_id), TEMPLATE, FUNCTION, 2, 2.0, (),
    )  # fmt: skip
    facts = found[task].facts
    assert [(entry.sequence, type(entry.fact), entry.at) for entry in facts] == [
        (2, told.TasksSubmitted, 2.0),
        (3, told.TasksDispatched, 3.0),
        (5, told.TaskFailed, 3.2),
        (6, told.TaskRetried, 3.3),
    ]
    assert facts[0].fact == told.TasksSubmitted(PARENT, 2.0, [TaskSpec(299, TEMPLATE.template_id)])


def test_several_tasks_at_once_and_what_is_unknown_is_left_out(history: LogHistory) -> None:
    first, other = child_task_id(PREFIX, 0), child_task_id(PREFIX, 250)
    found = history.find([first, other, child_task_id(PREFIX, 300), TaskId(b"?" * 16)])
    assert found.keys() == {first, other}
    assert [type(entry.fact) for entry in found[first].facts][-2:] == [told.TaskFinished, told.ObjectsFreed]
    assert len(found[other].facts) == 1


def test_objects_stored_with_put(history: LogHistory) -> None:
    known = put_object_id(PARENT, 4)
    found = history.find_puts([known, put_object_id(PARENT, 5)])
    assert found.keys() == {known}
    assert [type(entry.fact) for entry in found[known]] == [told.ObjectSealed, told.ObjectsFreed]


def test_iterating_gives_all_facts_after_a_record(history: LogHistory) -> None:
    assert [entry.fact for entry in history.iter()] == [fact for facts in RECORDS for fact in facts]
    assert [entry.sequence for entry in history.iter(after=5)] == [6, 7, 8]
    assert history.last_sequence() == len(RECORDS)


def test_a_template_whose_registration_is_not_there_is_none(log: MemoryLog) -> None:
    facts: list[Fact] = [told.TasksSubmitted(PARENT, 2.0, [TaskSpec(0, TEMPLATE.template_id)])]
    append(log, [LogRecord(1, "n", 1, encode_facts(facts), index_keys(facts))])
    found = LogHistory(MemoryLogReader(log)).find([child_task_id(PREFIX, 0)])[child_task_id(PREFIX, 0)]
    assert found.template is None
    assert found.function is None


def test_a_record_of_which_nothing_can_be_made_is_passed_over_and_named(log: MemoryLog, history: LogHistory) -> None:
    append(log, [LogRecord(9, "n", 0, b"\xc1 no facts", index_keys(RECORDS[1]))])
    assert history.find([child_task_id(PREFIX, 3)])
    assert len(list(history.iter())) == sum(map(len, RECORDS))
    assert history.unreadable == {9}
