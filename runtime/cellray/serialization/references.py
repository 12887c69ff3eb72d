"""References inside values: how a layer above (`api/object_ref.py`) has its references found and rebuilt.

The class of references registers once in each process. Its `__reduce__` is one line, `return
reference_seam.reduce(self)`, so that a reference is found wherever it hides, even in what an object's own
`__getstate__` pickles into bytes. Found ids go to the innermost collection of the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cellray.errors import InternalError
from cellray.ids import ObjectId


class Collectors(threading.local):
    """The collections under way in this thread, innermost last; dict keys keep order and drop duplicates."""

    def __init__(self) -> None:
        self.stack: list[dict[ObjectId, None]] = []


class ReferenceSeam:
    """What serialization knows of references: their class, their id, and how to make one of an id."""

    def __init__(self) -> None:
        self.collectors = Collectors()
        self._reference_class: type | tuple[type, ...] = ()
        self._id_of: Callable[[Any], ObjectId] | None = None
        self._rebuild: Callable[[ObjectId], object] | None = None

    def register(
        self, reference_class: type, id_of: Callable[[Any], ObjectId], rebuild: Callable[[ObjectId], object]
    ) -> None:
        """Set once a process, when the class is defined.

        >>> reference_seam.register(ObjectRef, attrgetter("object_id"), ObjectRef.from_id)
        """
        self._reference_class = reference_class
        self._id_of = id_of
        self._rebuild = rebuild

    def is_reference(self, value: object) -> bool:
        """Whether `value` is of the registered class."""
        return isinstance(value, self._reference_class)

    def id_of(self, reference: object) -> ObjectId:
        """The id of the object that `reference` stands for."""
        if self._id_of is None:
            raise InternalError("no class of references is registered in this process")
        return self._id_of(reference)

    def reduce(self, reference: object) -> tuple[Callable[[bytes], object], tuple[bytes]]:
        """What the `__reduce__` of a reference returns; notes its id in the collection under way."""
        object_id = self.id_of(reference)
        stack = self.collectors.stack
        if stack:
            stack[-1][object_id] = None
        return rebuild_reference, (object_id,)

    def rebuild(self, object_id: ObjectId) -> object:
        """A reference to the object."""
        if self._rebuild is None:
            raise InternalError(
                "a reference was unpickled in a process where no class of references is registered; "
                "import cellray there first"
            )
        return self._rebuild(object_id)


reference_seam = ReferenceSeam()


def rebuild_reference(object_id: bytes) -> object:
    """What pickles of references call; its import path is part of the format."""
    return reference_seam.rebuild(ObjectId(object_id))


@contextmanager
def collect_references() -> Iterator[dict[ObjectId, None]]:
    """Collect the ids of references that this thread pickles meanwhile, in order, as keys.

    >>> with collect_references() as captured:
    ...     data = serialize_function(f)
    """
    found: dict[ObjectId, None] = {}
    stack = reference_seam.collectors.stack
    stack.append(found)
    try:
        yield found
    finally:
        stack.pop()
