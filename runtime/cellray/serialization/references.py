"""References inside values: how a layer above (`api/object_ref.py`) has its references found and rebuilt.

The class of references registers once in each process. A value's pickle names its references by their number in a table
beside it (`value.ValuePickler`), so that ten thousand of them are made, counted and put in their places by loops in C.
Those that it does not see, in what an object's own `__getstate__` pickles into bytes, come through their `__reduce__`,
which calls `reference_seam.note(self)`. The ids of both go to the innermost collection of the thread. What is
pickled outside of any value, as by cloudpickle itself, may come back at any time: it is kept for good (as in Ray).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cellray.errors import InternalError
from cellray.ids import ObjectId


class Collectors(threading.local):
    """The collections under way in this thread, innermost last: each id found, and its number among them."""

    def __init__(self) -> None:
        self.stack: list[dict[ObjectId, int]] = []


class ReferenceSeam:
    """What serialization knows of references: their class, their ids, and how to make them of ids."""

    def __init__(self) -> None:
        self.collectors = Collectors()
        self.reference_class: type | tuple[type, ...] = ()
        self._id_of: Callable[[Any], ObjectId] | None = None
        self._rebuild: Callable[[Sequence[ObjectId]], list[Any]] | None = None
        self._keep: Callable[[Any], None] | None = None

    def register(
        self,
        reference_class: type,
        id_of: Callable[[Any], ObjectId],
        rebuild: Callable[[Sequence[ObjectId]], list[Any]],
        keep: Callable[[Any], None],
    ) -> None:
        """Set once a process, when the class is defined. `keep` is called for what is pickled outside of any value.

        >>> reference_seam.register(ObjectRef, attrgetter("object_id"), make_all, keep_for_good)
        """
        self.reference_class = reference_class
        self._id_of = id_of
        self._rebuild = rebuild
        self._keep = keep

    def is_reference(self, value: object) -> bool:
        """Whether `value` is of the registered class."""
        return isinstance(value, self.reference_class)

    def id_of(self, reference: object) -> ObjectId:
        """The id of the object that `reference` stands for."""
        if self._id_of is None:
            raise InternalError("no class of references is registered in this process")
        return self._id_of(reference)

    def note(self, reference: object) -> ObjectId:
        """The id of a reference that is about to be pickled by its `__reduce__`."""
        object_id = self.id_of(reference)
        stack = self.collectors.stack
        if stack:
            found = stack[-1]
            found.setdefault(object_id, len(found))
        elif self._keep is not None:
            self._keep(reference)
        return object_id

    def rebuild(self, object_ids: Sequence[ObjectId]) -> list[Any]:
        """A reference to each of the objects."""
        if self._rebuild is None:
            raise InternalError(
                "a reference was unpickled in a process where no class of references is registered; "
                "import cellray there first"
            )
        return self._rebuild(object_ids)


reference_seam = ReferenceSeam()


def reference_at(number: int) -> object:
    """What values call for the reference of this number; its import path is part of the format.

    Where the value is loaded its name stands for a look into the value's table of references.
    """
    raise InternalError(f"reference {number} of a value was unpickled without the value")


@contextmanager
def collect_references() -> Iterator[dict[ObjectId, int]]:
    """Collect the ids of references that this thread pickles meanwhile, in order, as keys.

    >>> with collect_references() as captured:
    ...     data = serialize_function(f)
    """
    found: dict[ObjectId, int] = {}
    stack = reference_seam.collectors.stack
    stack.append(found)
    try:
        yield found
    finally:
        stack.pop()
