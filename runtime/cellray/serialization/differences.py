"""The first difference between two values, as a path into them: `[3]['loss']: 0.31 != 0.29`.

Bytes of equal values may differ (the order of a set, what a pickle remembers to have written already), so that values
whose bytes differ are compared themselves. Equal is what Python calls equal, but for NaN, which equals NaN here, and
for objects that do not say what equal means to them: they are compared by class and attributes.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any

from cellray.serialization.value import deserialize

SHOWN_CHARACTERS_MAX = 60
DEPTH_MAX = 100
"""Deeper than this, what Python says about equality is taken."""
WALK_ITEMS_MAX = 10_000
"""So many parts of a value are looked at for sets."""
PLAIN = (int, str, bytes, bool, type(None), complex)


def first_difference(before: Any, after: Any) -> str | None:
    """Where two values begin to differ, with both sides; None when they are equal."""
    return _Comparison().find(before, after, "", 0)


def difference_of_bytes(before: bytes, after: Any) -> str | None:
    """As `first_difference`, of a serialised value and one that is here; None too when the first cannot be read."""
    try:
        value = deserialize(before)
    except Exception:
        return None  # its classes are not to be had here: nothing is known
    return first_difference(value, after)


def has_unordered(value: Any) -> bool:
    """Whether the bytes of a value may differ though it is the same: there is a set in it, or nobody looked at all."""
    left = WALK_ITEMS_MAX
    todo: list[Any] = [value]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if isinstance(each, set | frozenset):
            return True
        if isinstance(each, PLAIN) or id(each) in seen:
            continue
        seen.add(id(each))
        left -= 1
        if left < 0:
            return True
        if isinstance(each, Mapping):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            todo += each
        else:
            todo += getattr(each, "__dict__", {}).values()
    return False


class _Comparison:
    """One walk through two values; `_under_way` are the pairs that it is inside of, so that circles end."""

    def __init__(self) -> None:
        self._under_way: set[tuple[int, int]] = set()

    def find(self, before: Any, after: Any, path: str, depth: int) -> str | None:
        if before is after:
            return None
        if type(before) is not type(after):
            return None if _equal(before, after) is True else _line(path, before, after)
        if isinstance(before, PLAIN):
            return None if before == after else _line(path, before, after)
        if isinstance(before, float):
            return None if before == after or (before != before and after != after) else _line(path, before, after)
        pair = (id(before), id(after))
        if pair in self._under_way or depth > DEPTH_MAX:
            return None
        self._under_way.add(pair)
        try:
            return self._inside(before, after, path, depth + 1)
        finally:
            self._under_way.discard(pair)

    def _inside(self, before: Any, after: Any, path: str, depth: int) -> str | None:
        if isinstance(before, list | tuple):
            return self._sequences(before, after, path, depth)
        if isinstance(before, Mapping):
            return self._mappings(before, after, path, depth)
        if isinstance(before, set | frozenset):
            return _sets(before, after, path)
        if hasattr(before, "__array__") and hasattr(before, "shape"):
            return self._arrays(before, after, path, depth)
        if isinstance(before, types.FunctionType):
            return None if _code(before) == _code(after) else _line(path, before, after)
        if "__eq__" in {name for each in type(before).__mro__[:-1] for name in vars(each)}:
            return _line(path, before, after) if _equal(before, after) is False else None
        return self._mappings(_attributes(before), _attributes(after), path, depth, of_object=True)

    def _sequences(self, before: Any, after: Any, path: str, depth: int) -> str | None:
        for index, (first, second) in enumerate(zip(before, after, strict=False)):
            found = self.find(first, second, f"{path}[{index}]", depth)
            if found is not None:
                return found
        if len(before) != len(after):
            return f"{_at(path)}{len(before)} items != {len(after)} items"
        return None

    def _mappings(
        self, before: Mapping[Any, Any], after: Mapping[Any, Any], path: str, depth: int, *, of_object: bool = False
    ) -> str | None:
        for key, value in before.items():
            step = f"{path}.{key}" if of_object else f"{path}[{_shown(key)}]"
            if key not in after:
                return f"{step}: {_shown(value)} != nothing"
            found = self.find(value, after[key], step, depth)
            if found is not None:
                return found
        for key in after:
            if key not in before:
                step = f"{path}.{key}" if of_object else f"{path}[{_shown(key)}]"
                return f"{step}: nothing != {_shown(after[key])}"
        return None

    def _arrays(self, before: Any, after: Any, path: str, depth: int) -> str | None:
        """NumPy's, and what can be seen as one of them: tensors, columns and tables of pandas."""
        import numpy  # there already: somebody has made an array

        if hasattr(before, "columns") and hasattr(before, "iloc"):
            return self._tables(before, after, path, depth)
        first, second = numpy.asarray(before), numpy.asarray(after)
        if first.shape != second.shape or first.dtype != second.dtype:
            return f"{_at(path)}{first.dtype}{list(first.shape)} != {second.dtype}{list(second.shape)}"
        if first.dtype.hasobject:
            return self._sequences(first.ravel().tolist(), second.ravel().tolist(), path, depth)
        differ = first != second
        if first.dtype.kind in "fcmM":
            differ &= ~((first != first) & (second != second))
        count = int(numpy.count_nonzero(differ))
        if not count:
            return None
        if not first.shape:
            return _line(path, first.item(), second.item())
        place = tuple(int(index) for index in numpy.unravel_index(int(numpy.argmax(differ)), first.shape))
        where = f"{path}[{', '.join(map(str, place))}]"
        more = f" ({count} of {first.size} elements differ)" if count > 1 else ""
        return f"{_line(where, first[place].item(), second[place].item())}{more}"

    def _tables(self, before: Any, after: Any, path: str, depth: int) -> str | None:
        if before.equals(after):
            return None
        if list(before.columns) != list(after.columns):
            return self.find(list(before.columns), list(after.columns), f"{path}.columns", depth)
        for name in before.columns:
            found = self.find(before[name].to_numpy(), after[name].to_numpy(), f"{path}[{_shown(name)}]", depth)
            if found is not None:
                return found
        return self.find(before.index.to_numpy(), after.index.to_numpy(), f"{path}.index", depth)


def _equal(before: Any, after: Any) -> bool | None:
    """What Python says; None when comparing fails or gives no answer."""
    try:
        return bool(before == after)
    except Exception:
        return None


def _sets(before: Any, after: Any, path: str) -> str | None:
    if before == after:
        return None
    for name, items in (("lost", before - after), ("new", after - before)):
        if items:
            shown = sorted(map(_shown, items))
            return f"{_at(path)}{shown[0]} is {name}" + (f" (and {len(shown) - 1} more)" if len(shown) > 1 else "")
    return None


def _attributes(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in type(value).__mro__:
        slots: Iterable[str] = each.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                found[name] = getattr(value, name)
    return {**found, **getattr(value, "__dict__", {})}


def _code(function: types.FunctionType) -> tuple[Any, ...]:
    code = function.__code__
    return code.co_code, repr(code.co_consts), code.co_names


def _line(path: str, before: Any, after: Any) -> str:
    first, second = _shown(before), _shown(after)
    if first == second:
        first, second = f"{type(before).__name__} {first}", f"{type(after).__name__} {second}"
    return f"{_at(path)}{first} != {second}"


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 3] + "..."
