"""Ids follow from each other, and people can tell them apart."""

from __future__ import annotations

from cellray.ids import JobId, child_task_id, child_task_ids, children_prefix, root_task_id, short_task_id


def test_many_ids_at_once_are_the_same_ids() -> None:
    prefix = children_prefix(root_task_id(JobId(b"job1")))
    assert child_task_ids(prefix, [0, 7, 300]) == [child_task_id(prefix, index) for index in (0, 7, 300)]


def test_short_ids_tell_siblings_apart() -> None:
    prefix = b"\x5f\x2a\x9c\x1e" + bytes(8)
    assert [short_task_id(child_task_id(prefix, index)) for index in (0, 17)] == ["5f2a9c1e-0", "5f2a9c1e-17"]
