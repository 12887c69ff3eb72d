"""`gcs/log_index.py` and `model/about.py`: what a record is found under, for every kind of fact."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from cellray.gcs.log_index import function_key, index_keys, subject_key, template_key
from cellray.ids import FunctionHash, TaskId, child_task_id, children_prefix, put_object_id, return_object_id
from cellray.model import fact as told
from cellray.model.about import subjects_of, time_of
from cellray.model.object import ObjectValue
from cellray.model.task import Function, TaskSpec, TemplateId, make_template

PARENT = TaskId(b"p" * 16)
PREFIX = children_prefix(PARENT)
VALUE = ObjectValue(0, b"x")
TEMPLATE = make_template(FunctionHash(b"f" * 16), "f", ())
FUNCTION = Function(FunctionHash(b"f" * 16), "f", "m", "", b"")
SAMPLES: dict[str, Any] = {
    "task_id": child_task_id(PREFIX, 1),
    "actor_id": child_task_id(PREFIX, 2),
    "group_id": child_task_id(PREFIX, 3),
    "object_id": return_object_id(child_task_id(PREFIX, 4), 0),
    "task_ids": [child_task_id(PREFIX, 5), child_task_id(PREFIX, 700)],
    "object_ids": [return_object_id(child_task_id(PREFIX, 6), 1), put_object_id(PARENT, 9)],
    "tasks": [TaskSpec(7, TEMPLATE.template_id), TaskSpec(300, TEMPLATE.template_id)],
    "parent_id": PARENT,
    "at": 12.5,
    "started_at": 11.0,
    "finished_at": 12.5,
    "values": (VALUE,),
    "value": VALUE,
    "error": VALUE,
    "template": TEMPLATE,
    "function": FUNCTION,
}
SUBJECTS = {
    "task_id": [child_task_id(PREFIX, 1)],
    "actor_id": [child_task_id(PREFIX, 2)],
    "group_id": [child_task_id(PREFIX, 3)],
    "object_id": [child_task_id(PREFIX, 4)],
    "task_ids": [child_task_id(PREFIX, 5), child_task_id(PREFIX, 700)],
    "object_ids": [child_task_id(PREFIX, 6), put_object_id(PARENT, 9)],
    "tasks": [child_task_id(PREFIX, 7), child_task_id(PREFIX, 300)],
}


def sample(kind: type) -> Any:
    """One fact of the kind; fields that do not matter here have any value."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        if field.name in SAMPLES:
            fields[field.name] = SAMPLES[field.name]
        elif field.required:
            fields[field.name] = None
    return kind(**fields)


@pytest.mark.parametrize("kind", get_args(told.LoggedFact), ids=lambda kind: kind.__name__)
def test_every_kind_of_fact_is_found_under_what_its_fields_name(kind: type) -> None:
    fact = sample(kind)
    names = {field.name for field in msgspec.structs.fields(kind)}
    subjects = [subject for name in names & SUBJECTS.keys() for subject in SUBJECTS[name]]
    assert set(subjects_of(fact)) == set(subjects)
    keys = {subject_key(subject) for subject in subjects}
    if kind is told.TemplateRegistered:
        keys = {template_key(TEMPLATE.template_id)}
    elif kind is told.FunctionRegistered:
        keys = {function_key(FUNCTION.function_hash)}
    assert index_keys([fact]) == keys
    assert time_of(fact) == 12.5


def test_neighbours_share_a_key_and_others_do_not() -> None:
    first, last, next_one = (subject_key(child_task_id(PREFIX, index)) for index in (0, 255, 256))
    assert first == last != next_one
    puts = {subject_key(put_object_id(PARENT, index)) for index in (0, 255, 256)}
    assert len(puts) == 2
    assert subject_key(PARENT) not in puts


def test_kinds_of_keys_differ_in_length() -> None:
    keys = [
        template_key(TemplateId(1)),
        subject_key(PARENT),
        function_key(FunctionHash(bytes(16))),
        subject_key(put_object_id(PARENT, 0)),
    ]
    assert [len(key) for key in keys] == [8, 15, 16, 19]


def test_output_of_no_known_task_has_no_key() -> None:
    assert index_keys([told.WorkerOutput(1, 1.0, "stdout", "x")]) == set()  # type: ignore[arg-type]


def test_ids_that_are_none_do_no_harm() -> None:
    facts: list[Any] = [
        told.TaskFinished(TaskId(b"x"), 1.0, 2.0, ()),
        told.TasksDispatched(1, 1.0, [TaskId(b""), TaskId(b"y" * 999)]),  # type: ignore[arg-type]
        told.ObjectsFreed([b"", b"z" * 999], 1.0),  # type: ignore[list-item]
        told.TaskCancelled(TaskId(b"q" * 999), 1.0),
        told.TasksSubmitted(PARENT, 1.0, [TaskSpec(-5, TEMPLATE.template_id), TaskSpec(1 << 60, TEMPLATE.template_id)]),
        told.FunctionRegistered(msgspec.structs.replace(FUNCTION, function_hash=FunctionHash(b"f" * 999)), 1.0),
    ]
    assert all(len(key) <= 19 for key in index_keys(facts))
