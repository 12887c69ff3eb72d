"""Which part of a value cannot be pickled, named as the user would name it, with what to do about it.

The search descends from the value to the first of its parts that fails on its own, then into that, until no part
of what is left fails: that is the culprit. It runs only after pickling has failed; its cost is bounded by limits.
"""

from __future__ import annotations

import functools
import inspect
import io
import pickle
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cellray.errors import SerializationError
from cellray.serialization.advice import advice_for, is_too_deep
from cellray.serialization.references import collect_references
from cellray.serialization.value import ValuePickler

DEPTH_MAX = 12
"""Levels that are descended."""
ATTEMPTS_MAX = 2000
"""Parts that are tried altogether; a search that ends here names the smallest failing part found so far."""


class Place(NamedTuple):
    """Where something was found: "argument `model`" + ".lock" and, for a function's variables, whose they are."""

    head: str
    path: str = ""
    context: str = ""

    def inner(self, step: str) -> Place:
        """One step into it."""
        return self._replace(path=self.path + step)

    def variable(self, kind: str, name: str, function: types.FunctionType) -> Place:
        """A variable that the function found here uses."""
        owner = f" used by function `{function.__qualname__}`"
        is_named_so = not self.path and self.head.endswith(f" `{function.__name__}`")
        is_root = self.head.startswith("function ")
        where = "" if is_root or is_named_so else f" in {self.head}{self.path}"
        return Place(f"{kind} `{name}`", "", f"{owner}{where}{self.context}")

    def describe(self, value: Any) -> str:
        """For people."""
        return f"{self.head}{self.path} ({with_article(type_name(value))}){self.context}"


def find_culprit(value: Any, name: str, error: Exception) -> SerializationError:
    """The error to raise when pickling `value`, which the user knows as `name`, raised `error`."""
    return Search().find(value, Place(name), error)


def find_argument_culprit(
    args: tuple[Any, ...], kwargs: dict[str, Any], function: Callable[..., Any] | None, error: Exception
) -> SerializationError:
    """The error to raise when pickling the arguments of a call raised `error`."""
    search = Search()
    named = [*zip(argument_names(function, len(args)), args, strict=True), *name_keywords(kwargs)]
    for name, value in named:
        failure = search.attempt(value)
        if failure is not None:
            return search.find(value, Place(name), failure)
    return SerializationError("the arguments of the call", reason_of(error))


class Search:
    """One search, with what it may still spend."""

    def __init__(self) -> None:
        self._attempts_left = ATTEMPTS_MAX
        self._seen: dict[int, Any] = {}

    def find(self, value: Any, place: Place, error: Exception) -> SerializationError:
        """Descend from `value`, which failed with `error`."""
        place, value, error = self.steps(value, place, error)[-1]
        return SerializationError(place.describe(value), reason_of(error), advice_for(value, error))

    def steps(self, value: Any, place: Place, error: Exception) -> list[tuple[Place, Any, Exception]]:
        """The way down from `value`, which failed with `error`: the last one is the culprit."""
        self._seen[id(value)] = value
        way = [(place, value, error)]
        if not is_too_deep(error):
            for _ in range(DEPTH_MAX):
                step = None if refuses(value) else self._first_failing(parts_of(value, place))
                if step is None:
                    break
                way.append(step)
                place, value, error = step
        return way

    def attempt(self, value: Any) -> Exception | None:
        """What pickling `value` raises, if anything."""
        self._attempts_left -= 1
        try:
            with collect_references() as found:
                ValuePickler(NullSink(), 5, ignore, found).dump(value)
        except Exception as error:
            return error
        return None

    def _first_failing(self, parts: Iterable[tuple[Place, Any]]) -> tuple[Place, Any, Exception] | None:
        """The first part that fails and was not met before (structures may be recursive)."""
        try:
            for place, part in parts:
                if self._attempts_left <= 0:
                    break
                if id(part) in self._seen:
                    continue
                error = self.attempt(part)
                if error is not None:
                    self._seen[id(part)] = part
                    return place, part, error
        except Exception:
            # Looking into the object runs code of its own, such as properties; what that raises is not the point.
            return None
        return None


class NullSink:
    """A file to the pickler that forgets."""

    def write(self, data: Any) -> None:
        """Nothing is kept."""


def ignore(buffer: Any) -> None:
    """Out-of-band memory can always be sent."""


def refuses(value: Any) -> bool:
    """Whether its class says itself that it is not to be pickled: then no part of it is to blame."""
    if not isinstance(getattr(type(value), "__reduce__", None), types.FunctionType):
        return False
    try:
        value.__reduce__()
    except Exception:
        return True
    return False


def parts_of(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """What pickling `value` has to pickle, each with its place."""
    if isinstance(value, types.FunctionType):
        yield from parts_of_function(value, place)
    elif isinstance(value, types.MethodType):
        yield place.inner(".__self__"), value.__self__
        yield place.inner(".__func__"), value.__func__
    elif isinstance(value, functools.partial):
        yield place.inner(".func"), value.func
        yield from ((place.inner(f".args[{i}]"), arg) for i, arg in enumerate(value.args))
        yield from ((place.inner(f".keywords[{k!r}]"), arg) for k, arg in value.keywords.items())
    elif isinstance(value, type):
        yield from ((place.inner(f".{k}"), v) for k, v in vars(value).items() if is_part_of_class(k, v))
    else:
        yield from parts_of_instance(value, place)


def parts_of_function(function: types.FunctionType, place: Place) -> Iterator[tuple[Place, Any]]:
    """Captured variables, globals, defaults and attributes of a function that is pickled by value."""
    captured = inspect.getclosurevars(function) if function.__closure__ else None
    for name, value in (captured.nonlocals if captured else {}).items():
        yield place.variable("variable", name, function), value
    for name in global_names(function.__code__):
        if name in function.__globals__:
            yield place.variable("global", name, function), function.__globals__[name]
    defaults = function.__defaults__ or ()
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    for name, value in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
        yield place.inner(f" default of `{name}`"), value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield place.inner(f" default of `{name}`"), value
    for name, value in vars(function).items():
        yield place.inner(f".{name}"), value


def global_names(code: types.CodeType) -> list[str]:
    """Names of globals that code and the functions written inside it use, in order."""
    import dis

    names = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += global_names(constant)
    return list(dict.fromkeys(names))


def parts_of_instance(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Items of containers, attributes of objects."""
    if isinstance(value, Mapping):
        for key, item in list(value.items()):
            yield place.inner(f"[{short_repr(key)}]"), item
            yield place.inner(f" key {short_repr(key)}"), key
    elif isinstance(value, list | tuple):
        names = getattr(value, "_fields", None)
        for index, item in enumerate(value):
            yield place.inner(f".{names[index]}" if names else f"[{index}]"), item
    elif isinstance(value, set | frozenset):
        for item in list(value):
            yield place.inner(" item"), item
    elif type(value).__name__ == "ndarray" and value.dtype.kind == "O":
        for index, item in enumerate(value.flat):
            yield place.inner(f".flat[{index}]"), item
    state = getattr(value, "__dict__", None)
    if isinstance(state, dict):
        for name, item in list(state.items()):
            yield place.inner(f".{name}"), item
    for name in slot_names(type(value)):
        if hasattr(value, name):
            yield place.inner(f".{name}"), getattr(value, name)
    if not isinstance(value, BaseException):
        yield place.inner(f"'s class `{type(value).__qualname__}`"), type(value)


def slot_names(kind: type) -> Iterator[str]:
    """Slots of the class and its bases."""
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def is_part_of_class(name: str, value: Any) -> bool:
    """Whether pickling a class by value pickles this of its namespace."""
    return name not in ("__dict__", "__weakref__", "__module__", "__doc__") and not isinstance(
        value, types.GetSetDescriptorType | types.MemberDescriptorType
    )


def argument_names(function: Callable[..., Any] | None, count: int) -> list[str]:
    """What the user calls the positional arguments: by their parameters where those are known."""
    names: list[str] = []
    try:
        parameters = list(inspect.signature(function).parameters.values()) if function else []
    except (TypeError, ValueError):
        parameters = []
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        names.append(f"argument `{parameter.name}`")
    names = names[:count]
    return names + [f"argument {position + 1}" for position in range(len(names), count)]


def name_keywords(kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    """Keyword arguments with what the user calls them."""
    return [(f"argument `{name}`", value) for name, value in kwargs.items()]


def type_name(value: Any) -> str:
    """The type with its module, as far as that says something."""
    kind = type(value)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    if isinstance(value, io.IOBase):
        return f"open file {getattr(value, 'name', '')!r}".replace(" ''", "")
    return f"{kind.__module__}.{kind.__qualname__}"


def with_article(noun: str) -> str:
    """`a lock`, `an Engine`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def short_repr(value: Any) -> str:
    """A repr that is at most a few words long."""
    try:
        text = repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= 40 else f"{text[:37]}..."


def reason_of(error: Exception) -> str:
    """One line."""
    text = " ".join(str(error).split())
    if is_too_deep(error):
        return "it is nested too deeply to be pickled"
    if type(error) in (TypeError, pickle.PicklingError) and text:
        return text
    return f"pickling it raised {type(error).__name__}{': ' if text else ''}{text}"
