"""Ids follow from each other, and people can tell them apart."""

from __future__ import annotations

from cellray.ids import child_task_id, short_task_id


def test_short_ids_tell_siblings_apart() -> None:
    prefix = b"\x5f\x2a\x9c\x1e" + bytes(8)
    assert [short_task_id(child_task_id(prefix, index)) for index in (0, 17)] == ["5f2a9c1e-0", "5f2a9c1e-17"]
