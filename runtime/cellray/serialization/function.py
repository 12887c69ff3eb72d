"""Functions as bytes: by value where they were typed (a notebook, a script), by reference from modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellray.serialization.pickler import dumps
from cellray.serialization.value import load, raise_culprit


def serialize_function(function: Callable[..., Any]) -> bytes:
    """The function, or class, with its closure and the globals it uses, unless a module can be imported for it.

    Wrap the call in `collect_references` to learn which references it captured; they must be kept alive as long as
    the function may be called. Raises SerializationError naming the captured variable or global.
    """
    try:
        return dumps(function)
    except Exception as error:
        kind = "class" if isinstance(function, type) else "function"
        raise_culprit(function, f"{kind} `{getattr(function, '__qualname__', function)}`", error)


def deserialize_function(data: bytes) -> Callable[..., Any]:
    """The function again."""
    function: Callable[..., Any] = load(data, ())
    return function
