"""What tasks that run again are expected to give, and how a driver is told that they gave something else."""

from __future__ import annotations

import pytest
from cellray.core.expectations import EXPECTED_MAX, Expectations, divergence_text, is_comparable
from cellray.ids import ObjectId, TaskId, item_object_id, return_object_id
from cellray.model.fact import OutputDiverged
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Cell

TASK = TaskId(b"parentprefix\0\0\0\x07")
SMALL = ObjectValue(ValueKind.INLINE, b"abc")


@pytest.mark.parametrize(
    ("value", "comparable"),
    [
        (SMALL, True),
        (ObjectValue(ValueKind.INLINE, b"", object_bytes=9000, digest=1), True),
        (ObjectValue(ValueKind.SHARED, object_bytes=9000, digest=1), True),
        (ObjectValue(ValueKind.SHARED, object_bytes=9000), False),
        (ObjectValue(ValueKind.ERROR, b"abc"), False),
        (ObjectValue(ValueKind.FAILURE, b"abc"), False),
    ],
)
def test_what_can_be_compared(value: ObjectValue, comparable: bool) -> None:
    assert is_comparable(value) is comparable


def test_only_values_are_expected_and_not_too_many() -> None:
    expectations = Expectations()
    ids = [item_object_id(TASK, index) for index in range(EXPECTED_MAX + 10)]
    values: list[tuple[ObjectId, ObjectValue | None]] = [(ids[0], None), *((obj, SMALL) for obj in ids[1:])]
    expectations.note(TASK, values)
    assert [obj for obj, _ in expectations.of[TASK]] == ids[1 : EXPECTED_MAX + 1]
    expectations.forget(TASK)
    expectations.note(TASK, [(return_object_id(TASK, 0), None)])
    assert not expectations.of


def test_the_driver_learns_task_cell_difference_and_what_to_do() -> None:
    fact = OutputDiverged(return_object_id(TASK, 0), 1.0, "[3]['loss']: 0.31 != 0.29")
    text = divergence_text(fact, "train", Cell("k", "c", 4, 3))
    for part in ("train (task 70617265-7, cell In [4], line 3)", fact.difference, "cellray.task_seed()"):
        assert part in text
    assert "cell" not in divergence_text(fact, "train", None).split(")")[0]
