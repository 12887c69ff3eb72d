"""`inspect_serializability`: what in a value keeps it from being sent to a worker."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from cellray.serialization.advice import advice_for
from cellray.serialization.culprit import Place, Search, reason_of


class FailureTuple:
    """What cannot be pickled: `obj`, the `path` of names that leads to it, and the `parent` that refers to it."""

    def __init__(self, obj: Any, path: tuple[str, ...], parent: Any) -> None:
        self.obj = obj
        self.path = path
        self.parent = parent

    def __repr__(self) -> str:
        return f"FailTuple({self.path[-1]} [path={' -> '.join(self.path)}, obj={self.obj}, parent={self.parent}])"


def inspect_serializability(
    base_obj: Any, name: str | None = None, depth: int = 3, print_file: TextIO | None = None
) -> tuple[bool, set[FailureTuple]]:
    """Whether the value can be sent to a worker, and if not, what in it cannot; says so on `print_file` (stdout).

    It looks as deep as it has to: `depth` is there for Ray's programs.

        lock = threading.Lock()
        inspect_serializability(lambda: lock)     # (False, {FailTuple(variable `lock` ...)})
    """
    del depth
    out = print_file if print_file is not None else sys.stdout
    search = Search()
    error = search.attempt(base_obj)
    label = name or f"`{getattr(base_obj, '__qualname__', type(base_obj).__qualname__)}`"
    if error is None:
        out.write(f"{label} can be sent to a worker.\n")
        return True, set()
    way = search.steps(base_obj, Place(label), error)
    place, culprit, reason = way[-1]
    names = tuple(f"{each.head}{each.path}" for each, _, _ in way)
    out.write(f"{label} cannot be sent to a worker because of {place.describe(culprit)}:\n    {reason_of(reason)}\n")
    if len(names) > 1:
        out.write(f"found through {' -> '.join(names)}\n")
    if advice := advice_for(culprit, reason):
        out.write(f"{advice}\n")
    return False, {FailureTuple(culprit, names, way[-2][1] if len(way) > 1 else None)}
