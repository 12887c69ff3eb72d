"""Tasks that run again are to give what they gave the first time: a worker that has the new value compares it.

The node sends along what it knows of the first one: the value itself when it is small, else its digest. Equal bytes
settle it. Where they differ, small values are compared as values, because equal ones may differ in their bytes; of
large ones the bytes must do, unless there are sets in them, whose order says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from cellray.errors import OutputDivergedError
from cellray.ids import ObjectId
from cellray.model.fact import OutputDiverged
from cellray.model.object import ObjectValue, ValueKind
from cellray.serialization import difference_of_bytes, has_unordered
from cellray.store import digest_of

Report = Callable[[OutputDiverged], object]


class Repeats:
    """`expected` has what runs of before gave for the objects that are about to be made; empty nearly always."""

    def __init__(self, report: Report, *, raises: bool) -> None:
        self.expected: dict[ObjectId, ObjectValue] = {}
        self._report = report
        self._raises = raises

    def expect(self, values: Iterable[tuple[ObjectId, ObjectValue]]) -> None:
        """These were made before."""
        self.expected.update(values)

    def compare(self, obj: ObjectId, value: Any, sealed: ObjectValue, name: str) -> None:
        """Report it when the object's value is another one than before.

        Raises OutputDivergedError then, if that is what the session wants.
        """
        before = self.expected.pop(obj, None)
        if before is None:
            return
        found = difference_between(before, value, sealed)
        if found is None:
            return
        self._report(OutputDiverged(obj, time.time(), found))
        if self._raises:
            raise OutputDivergedError(f"{name} is not what it was when the task ran before: {found}")


def difference_between(before: ObjectValue, value: Any, sealed: ObjectValue) -> str | None:
    """The first difference between what an object was and what it is now, `value`; None when it is the same."""
    if before.is_error:
        return None
    if before.kind == ValueKind.INLINE and before.data:
        return None if before.data == sealed.data else difference_of_bytes(before.data, value)
    digest = sealed.digest or digest_of([sealed.data])
    if not before.digest or before.digest == digest or has_unordered(value):
        return None
    after_bytes = sealed.object_bytes or len(sealed.data)
    return (
        f"{before.object_bytes:,} bytes of digest {before.digest:016x} != {after_bytes:,} bytes of digest {digest:016x}"
    )
