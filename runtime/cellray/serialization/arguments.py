"""Arguments of a call as bytes: references among them become dependencies, everything else travels.

Ray's rule: a reference that is itself an argument is waited for and replaced by its value; one that is nested
deeper is passed on as a reference and only kept alive. The payload is a value as `value.serialize` makes it: the
tuple of args when there is nothing else, or a list `[args, kwargs, slots]`, where each slot says which argument
(position or keyword) takes which dependency.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from cellray.errors import InternalError, SessionLostError
from cellray.ids import ObjectId
from cellray.serialization.references import reference_seam
from cellray.serialization.value import ATOMS, Serialized, deserialize, is_plain, pickle_parts

NO_ARGUMENTS = b""
STORED_ARGUMENTS = b"\x01"
"""Stands for a payload too large to travel: the payload is then an object, the last of the dependencies."""

Slot = tuple[int | str, int]


def serialize_arguments(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    is_reference: Callable[[Any], bool] | None = None,
    function: Callable[..., Any] | None = None,
) -> tuple[bytes | Serialized, tuple[ObjectId, ...], tuple[ObjectId, ...]]:
    """The payload, the dependencies (each once, by first position) and the references nested deeper.

    `bytes` is returned for small plain arguments, the usual case; `function` only serves to name parameters in
    errors. Raises SerializationError naming the argument and the part of it.
    """
    if not args and not kwargs:
        return NO_ARGUMENTS, (), ()
    if all(map(is_plain, args)) and all(map(is_plain, kwargs.values())):
        return pickle.dumps([args, kwargs, ()] if kwargs else args, 5), (), ()
    is_reference = is_reference or reference_seam.is_reference
    dependencies: dict[ObjectId, int] = {}
    slots: list[Slot] = []

    def without_references(pairs: Any) -> list[Any]:
        kept: list[Any] = []
        for place, value in pairs:
            if type(value) not in ATOMS and is_reference(value):
                object_id = reference_seam.id_of(value)
                slots.append((place, dependencies.setdefault(object_id, len(dependencies))))
                kept.append(None)
            else:
                kept.append(value)
        return kept

    kept_args = tuple(without_references(enumerate(args)))
    kept_kwargs = dict(zip(kwargs, without_references(kwargs.items()), strict=True))
    payload = [kept_args, kept_kwargs, slots] if kept_kwargs or slots else kept_args
    if all(map(is_plain, kept_args)) and all(map(is_plain, kept_kwargs.values())):
        return pickle.dumps(payload, 5), tuple(dependencies), ()
    try:
        serialized = pickle_parts(payload)
    except Exception as error:
        raise_culprit(kept_args, kept_kwargs, function, error)
    return serialized, tuple(dependencies), serialized.contained


def deserialize_arguments(
    data: bytes | memoryview, dependency_values: Sequence[Any] = ()
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(args, kwargs) with the values of the dependencies in their places.

    For `STORED_ARGUMENTS` the last of `dependency_values` is the deserialised payload.
    """
    if len(data) == 0:
        return (), {}
    payload = dependency_values[-1] if data == STORED_ARGUMENTS else deserialize(data)
    if type(payload) is tuple:
        return payload, {}
    if type(payload) is not list or len(payload) != 3:
        raise InternalError(f"malformed arguments: a {type(payload).__name__} is no payload")
    args, kwargs, slots = payload
    if slots:
        filled = list(args)
        # A copy, because a payload that lies in the store may be shared by retries of the task.
        kwargs = dict(kwargs)
        for place, index in slots:
            if type(place) is int:
                filled[place] = dependency_values[index]
            else:
                kwargs[place] = dependency_values[index]
        args = tuple(filled)
    return args, kwargs


def raise_culprit(
    args: tuple[Any, ...], kwargs: dict[str, Any], function: Callable[..., Any] | None, error: Exception
) -> NoReturn:
    """SerializationError for the argument because of which pickling raised `error`."""
    if isinstance(error, SessionLostError):
        raise error  # a reference of an ended session, which says so itself
    from cellray.serialization.culprit import find_argument_culprit

    raise find_argument_culprit(args, kwargs, function, error) from error
