"""The part of a value that cannot be sent is named as the user would name it."""

from __future__ import annotations

import asyncio
import functools
import socket
import sqlite3
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from cellray.errors import SerializationError
from cellray.serialization import serialize, serialize_arguments, serialize_function
from cellray.serialization.culprit import ATTEMPTS_MAX

db = sqlite3.connect(":memory:")


@pytest.fixture(autouse=True, scope="module")
def by_value() -> Iterator[None]:
    """Functions of this file are pickled as those of a notebook are."""
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)
    db.close()


class Model:
    def __init__(self) -> None:
        self.layers = [1, 2]
        self.lock = threading.Lock()

    def fit(self) -> None:
        """A bound method."""


class Slotted:
    __slots__ = ("link", "name")

    def __init__(self) -> None:
        self.name = "s"
        self.link = threading.Lock()


@dataclass
class Settings:
    names: dict[str, Any] = field(default_factory=lambda: {"pool": threading.Lock()})


class Refuses:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __reduce__(self) -> Any:
        raise ValueError("not this one")


class Guarded:
    guard = threading.Lock()


def train(model: Any, data: Any = None, *more: Any, **options: Any) -> None:
    """The function that is called."""


def query() -> Any:
    return db


def calls_query() -> Any:
    return [query() for _ in range(3)]


def with_default(connection: Any = db) -> Any:
    return connection


def make_closure() -> Callable[[], Any]:
    lock = threading.Lock()

    def inner() -> Any:
        return lock

    return inner


def recursive() -> list[Any]:
    loop: list[Any] = []
    loop.extend([loop, {"deep": threading.Lock()}])
    return loop


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


LOCK = "_thread.lock"
ARGUMENTS: list[tuple[str, Callable[[], Any], str, str]] = [
    ("attribute", Model, f"argument `model`.lock (a {LOCK})", "inside the task"),
    ("item", lambda: [0, {"m": Model()}], f"argument `model`[1]['m'].lock (a {LOCK})", "inside the task"),
    ("tuple", lambda: (1, threading.Lock()), f"argument `model`[1] (a {LOCK})", "actor"),
    ("set", lambda: {threading.Lock()}, f"argument `model` item (a {LOCK})", "actor"),
    ("slot", Slotted, f"argument `model`.link (a {LOCK})", "__getstate__"),
    ("dataclass", Settings, f"argument `model`.names['pool'] (a {LOCK})", "__getstate__"),
    ("generator", lambda: (i for i in ()), "argument `model` (a generator)", "list of its items"),
    ("method", lambda: Model().fit, f"argument `model`.__self__.lock (a {LOCK})", "inside the task"),
    ("partial", lambda: functools.partial(print, db), "argument `model`.args[0] (a sqlite3.Connection)", "actor"),
    (
        "global of a lambda",
        lambda: lambda: db,
        "global `db` (a sqlite3.Connection) used by function `<lambda>.<locals>.<lambda>` in argument `model`",
        "Open it inside the task",
    ),
    ("own refusal", Refuses, "argument `model` (a tests_Refuses)", "__reduce__"),
    ("class", Guarded, "argument `model`'s class `Guarded`.guard", "actor"),
    ("recursive", recursive, f"argument `model`[1]['deep'] (a {LOCK})", "actor"),
    ("too deep", lambda: nested(100_000), "argument `model` (a list)", "Flatten"),
    ("thread", threading.local, "argument `model` (a _thread._local)", "Threads"),
    ("frame", sys._getframe, "argument `model` (a frame)", "text"),
]


@pytest.mark.parametrize(("make", "name", "advice"), [pytest.param(*row[1:], id=row[0]) for row in ARGUMENTS])
def test_the_culprit_in_an_argument(make: Callable[[], Any], name: str, advice: str) -> None:
    with pytest.raises(SerializationError) as caught:
        serialize_arguments((make(),), {}, None, train)
    error = caught.value
    assert error.name.startswith(name.replace("tests_Refuses", f"{__name__}.Refuses"))
    assert error.reason
    assert advice in error.advice
    assert isinstance(error.__cause__, Exception)
    assert str(error).startswith(f"{error.name} cannot be sent to a worker: {error.reason}\n")


def test_arguments_are_called_by_their_parameters() -> None:
    lock = threading.Lock()
    for args, kwargs, name in (
        ((1, lock), {}, "argument `data`"),
        ((1, 2, lock), {}, "argument 3"),
        ((), {"model": lock}, "argument `model`"),
        ((1,), {"rate": lock}, "argument `rate`"),
    ):
        with pytest.raises(SerializationError, match=name):
            serialize_arguments(args, kwargs, None, train)
    with pytest.raises(SerializationError, match="argument 1 "):
        serialize_arguments((lock,), {})


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (query, "global `db` (a sqlite3.Connection) used by function `query`"),
        (
            calls_query,
            "global `db` (a sqlite3.Connection) used by function `query` used by function `calls_query`",
        ),
        (make_closure(), f"variable `lock` (a {LOCK}) used by function `make_closure.<locals>.inner`"),
        (with_default, "function `with_default` default of `connection` (a sqlite3.Connection)"),
        (Guarded, f"class `Guarded`.guard (a {LOCK})"),
    ],
    ids=["global", "global of a global", "closure", "default", "class"],
)
def test_the_culprit_in_a_function(function: Callable[..., Any], name: str) -> None:
    with pytest.raises(SerializationError) as caught:
        serialize_function(function)
    assert caught.value.name == name


def test_values_are_called_what_the_caller_calls_them() -> None:
    with pytest.raises(SerializationError, match=r"the return value of `f`\[0\] \(a _thread.lock\)"):
        serialize([threading.Lock()], "the return value of `f`")


def test_files_sockets_and_coroutines_have_advice(tmp_path: Path) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    coroutine = work()
    with socket.socket() as link, open(tmp_path / "out", "w") as file:
        for value, advice in ((file, "path"), (link, "address"), (coroutine, "asyncio.run")):
            with pytest.raises(SerializationError) as caught:
                serialize(value)
            assert advice in caught.value.advice
    coroutine.close()


def test_the_search_ends_in_a_huge_structure() -> None:
    value = [[i] for i in range(ATTEMPTS_MAX + 100)] + [[threading.Lock()]]
    with pytest.raises(SerializationError) as caught:
        serialize(value)
    assert caught.value.name == "the value (a list)"


def test_code_objects_without_names_are_survived() -> None:
    function = types.FunctionType((lambda: db).__code__, {"__builtins__": {}, "db": db}, "made")
    with pytest.raises(SerializationError, match="global `db`"):
        serialize(function)


class Hostile:
    """Raises whenever it is looked into."""

    __slots__ = ("inside",)

    def __init__(self) -> None:
        self.inside = threading.Lock()

    def __getattribute__(self, name: str) -> Any:
        if name == "inside":
            raise RuntimeError("hands off")
        return super().__getattribute__(name)


def test_objects_that_resist_being_looked_into_are_named_themselves() -> None:
    with pytest.raises(SerializationError, match=r"the value\[0\]"):
        serialize([Hostile()])
