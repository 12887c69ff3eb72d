"""Cloudpickle, with the file of code kept: tracebacks and debuggers show the lines of a notebook's cell by it.

Cloudpickle from 3.1.3 on gives all code that it sends one name, so that pickles do not depend on where a function was
defined.
"""

from __future__ import annotations

import io
import types
from typing import Any

import cloudpickle  # type: ignore[import-untyped]


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """See `cloudpickle.Pickler`."""


def dumps(value: Any) -> bytes:
    """The pickle of a value, functions and classes of `__main__` in it by value; raises as pickling does."""
    file = io.BytesIO()
    Pickler(file, 5).dump(value)
    return file.getvalue()


def make_code(filename: str, args: tuple[Any, ...]) -> types.CodeType:
    """Code by the arguments of its type, but for the file; its import path is part of the format."""
    return types.CodeType(*args).replace(co_filename=filename)


def _reduce_code(code: types.CodeType) -> tuple[Any, ...]:
    _, args = _reduce_code_nameless(code)
    return make_code, (code.co_filename, args)


_reduce_code_nameless = cloudpickle.Pickler.dispatch_table[types.CodeType]
Pickler.dispatch_table = cloudpickle.Pickler.dispatch_table.new_child({types.CodeType: _reduce_code})
