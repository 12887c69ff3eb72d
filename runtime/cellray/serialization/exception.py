"""Exceptions of user code as bytes and back, whatever they are made of: there is always an error to show.

The record is a plain tuple of texts and the pickled cause, so that a process that cannot rebuild the cause still
knows its type, message and traceback. The cause is pickled in the most faithful way that survives a round trip at
the producing side: as it is; without calling its constructor (many exceptions do not accept their own `args`);
without the attributes that cannot be pickled; and at last as an `UnserializableException` that says what it stands for.
"""

from __future__ import annotations

import pickle
import re
from typing import Any

from cellray.errors import InternalError, TaskError, UnserializableException
from cellray.serialization.pickler import dumps

EXCEPTION_BYTES_MAX = 1024 * 1024
"""A larger pickled cause is replaced by its stand-in: errors travel inline."""
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
TEXT_CHARACTERS_MAX = 64 * 1024
"""Longer messages and tracebacks lose their middle."""


def serialize_exception(error: BaseException, function_name: str, task_id: str, traceback_text: str) -> bytes:
    """The record of an exception that a task raised. Never raises.

    A TaskError, which came out of a nested `get`, is passed on as its own cause, so that `except ValueError` works
    through any number of tasks.
    """
    cause = error.cause if isinstance(error, TaskError) else error
    type_name = type(cause).__qualname__
    message = shorten(text_of(cause))
    pickled, problem = pickle_cause(cause)
    if pickled is None:
        pickled = pickle.dumps(UnserializableException(type_name, message, problem), 5)
    record = (function_name, task_id, shorten(traceback_text), type_name, message, pickled)
    return pickle.dumps(record, 5)


def deserialize_exception(data: bytes | memoryview) -> TaskError:
    """The TaskError; see its `as_instanceof_cause` for what `get` raises."""
    try:
        function_name, task_id, traceback_text, type_name, message, pickled = pickle.loads(data)
    except Exception as error:
        raise InternalError(f"malformed exception record of {len(data)} bytes: {error}") from error
    try:
        cause = pickle.loads(pickled)
        if not isinstance(cause, BaseException):
            raise TypeError(f"it was rebuilt as a {type(cause).__name__}")
    except Exception as error:
        cause = UnserializableException(type_name, message, f"{type(error).__name__} while rebuilding it: {error}")
    return TaskError(function_name, task_id, traceback_text, cause)


def pickle_cause(cause: BaseException) -> tuple[bytes | None, str]:
    """The first way that survives a round trip, or None and what the last one met."""
    problem = ""
    for reduce in (as_it_is, without_constructor, without_bad_attributes):
        try:
            pickled = dumps(reduce(cause))
            if len(pickled) > EXCEPTION_BYTES_MAX:
                problem = problem or f"it takes {len(pickled)} bytes, more than {EXCEPTION_BYTES_MAX}"
                continue
            if is_faithful(cause, pickle.loads(pickled)):
                return pickled, ""
            problem = problem or "it comes out of pickling as something else"
        except Exception as error:
            problem = problem or f"{type(error).__name__}: {error}"
    return None, shorten(problem)


def is_faithful(cause: BaseException, copy: Any) -> bool:
    """Whether a copy says what the original says. The class may be another object with the same name: a class of
    `__main__` that was defined again."""
    return (
        isinstance(copy, BaseException)
        and type(copy).__qualname__ == type(cause).__qualname__
        and ADDRESS.sub("", text_of(copy)) == ADDRESS.sub("", text_of(cause))
    )


def as_it_is(cause: BaseException) -> Any:
    """By the exception's own `__reduce__`."""
    return cause


def without_constructor(cause: BaseException) -> Any:
    """By class, args and attributes."""
    return Rebuilt(cause, vars(cause))


def without_bad_attributes(cause: BaseException) -> Any:
    """By class, args and those attributes that can be pickled; a note names the others."""
    good: dict[str, Any] = {}
    bad: list[str] = []
    for name, value in vars(cause).items():
        if is_picklable(value):
            good[name] = value
        else:
            bad.append(name)
    args = tuple(arg if is_picklable(arg) else f"<{type(arg).__qualname__}, not picklable>" for arg in cause.args)
    if bad or args != cause.args:
        notes = list(good.get("__notes__", ()))
        what = ", ".join([f"attribute `{name}`" for name in bad] + ["an argument"] * (args != cause.args))
        good["__notes__"] = [*notes, f"({what} could not be sent from the task and is missing here)"]
    return Rebuilt(cause, good, args)


class Rebuilt:
    """Pickles as a call of `rebuild_exception`."""

    def __init__(self, cause: BaseException, state: dict[str, Any], args: tuple[Any, ...] | None = None) -> None:
        self.reduced = (type(cause), cause.args if args is None else args, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_exception, self.reduced


def rebuild_exception(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """An exception made without its constructor; its import path is part of the format."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def is_picklable(value: Any) -> bool:
    """Whether a round trip works."""
    try:
        pickle.loads(dumps(value))
    except Exception:
        return False
    return True


def text_of(error: BaseException) -> str:
    """`str(error)`, which user code may have broken."""
    try:
        return str(error)
    except Exception as broken:
        return f"<its str() raised {type(broken).__name__}>"


def shorten(text: str) -> str:
    """The text with its middle left out where it is longer than the limit."""
    excess = len(text) - TEXT_CHARACTERS_MAX
    if excess <= 0:
        return text
    half = TEXT_CHARACTERS_MAX // 2
    return f"{text[:half]}\n... {excess} characters left out ...\n{text[-half:]}"
