"""`serialization/pickler.py`: code keeps its file, whatever it travels in; tracebacks find its lines by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import cellray
import cellray_kernel
import pytest
from cellray.serialization import (
    deserialize,
    deserialize_function,
    serialize,
    serialize_function,
)
from cellray.serialization.exception import deserialize_exception, serialize_exception

FILES = ["Cell In[7]", "/tmp/ipykernel_4321/1234567890.py", "<stdin>", "/home/zoë/a b.py"]

SOURCE = """
def plain(): return 1 / 0
def nested():
    def inner(): return [1 / zero for zero in (0,)]
    return inner
def generator(): yield 1 / 0
async def coroutine(): return 1 / 0
def closing(value):
    return lambda: value
closure = closing(3)
class Base:
    def method(self): return 1 / 0
class Derived(Base):
    @property
    def number(self): return 1 / 0
    @staticmethod
    def alone(): return super
class Wrong(Exception):
    def __str__(self): return "wrong"
"""

NAMES = ["plain", "nested", "generator", "coroutine", "closure", "Derived"]


def defined_in(file: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SOURCE, file, "exec"), namespace)
    return namespace


def files_of(value: Any) -> set[str]:
    """Of all code that a function or class has, that of its bases and inner functions too."""
    found = set()
    for part in (vars(value) | vars(value.__base__)).values() if isinstance(value, type) else [value]:
        function = getattr(part, "fget", None) or getattr(part, "__func__", part)
        found |= {code.co_filename for code in _with_inner(getattr(function, "__code__", None))}
    return found


def _with_inner(code: object) -> Iterator[CodeType]:
    if isinstance(code, CodeType):
        yield code
        for constant in code.co_consts:
            yield from _with_inner(constant)


def by_value(value: Any) -> Any:
    return deserialize(serialize(value).to_bytes())


def in_a_list(value: Any) -> Any:
    return by_value([{"it": value}])[0]["it"]


def as_function(value: Any) -> Any:
    return deserialize_function(serialize_function(value))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("travels", [by_value, in_a_list, as_function])
def test_code_keeps_its_file(file: str, name: str, travels: Callable[[Any], Any]) -> None:
    sent = defined_in(file)[name]
    assert files_of(sent) == {file}
    assert files_of(travels(travels(sent))) == {file}


def test_so_does_the_code_of_an_exceptions_class() -> None:
    wrong = defined_in("Cell In[7]")["Wrong"]
    error = deserialize_exception(serialize_exception(wrong(1), "f", "task", ""))
    assert files_of(type(error.cause)) == {"Cell In[7]"}


def test_nothing_is_pickled_in_another_way() -> None:
    packages = (Path(cellray.__path__[0]), Path(cellray_kernel.__path__[0]))
    sources = [path for package in packages for path in package.rglob("*.py")]
    found = {path.name for path in sources if re.search(r"cloudpickle\.(dumps?|Pickler)\b", path.read_text())}
    # That of the notebook only tries whether something can be pickled.
    assert found == {"pickler.py", "pickling.py"}
