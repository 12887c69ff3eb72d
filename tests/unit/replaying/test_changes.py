"""Functions in the place of functions: called themselves, captured by others, or found in arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cellray
import cloudpickle
import pytest
from cellray.ids import FunctionHash
from cellray.model.task import Function
from cellray.replaying.changes import Changes, full_name, plain
from cellray.replaying.functions import ALL, FunctionUnpickler


def travelled(function: Any) -> Any:
    """The function as it comes out of a log for changing: its globals, and classes that it uses, are its own."""
    return FunctionUnpickler(cloudpickle.dumps(function), ALL).load()


def entry(function: Any) -> Function:
    return Function(FunctionHash(b""), function.__qualname__, function.__module__, "", b"")


def script(text: str) -> dict[str, Any]:
    """What a script defines; travels by value."""
    names: dict[str, Any] = {"__name__": "__main__", "cellray": cellray}
    exec(text, names)
    return names


SCRIPT = """
def helper(x): return x + 1

@cellray.remote(num_cpus=2)
def child(x): return helper(x)

class Tool:
    def use(self, x): return helper(x)

@cellray.remote
class Actor:
    def use(self, x): return helper(x)

def by_closure(function):
    def inner(x): return function(x)
    return inner

def uses_helper(x): return [helper(y) for y in (x,)][0]
def uses_child(x): return child
def uses_tool(x): return Tool().use(x)
def uses_actor(x): return Actor
uses_closure = by_closure(helper)
"""


def new(x: int) -> int:
    return 100 * x


@pytest.mark.parametrize("user", ["uses_helper", "uses_tool", "uses_closure"])
def test_what_a_function_captured_is_exchanged(user: str) -> None:
    names = script(SCRIPT)
    loaded = travelled(names[user])
    assert loaded(1) == 2
    changes = Changes({"helper": new})
    code, changed = changes.applied(loaded, entry(names[user]))
    assert (code(1), changed, changes.unused) == (100, "helper", [])
    assert names[user](1) == 2, "those of this process stay as they are"


def test_remote_functions_keep_their_options() -> None:
    names = script(SCRIPT)
    code, changed = Changes({names["child"]: new}).applied(travelled(names["uses_child"]), entry(names["uses_child"]))
    child = code(1)
    assert (changed, plain(child, "")(1), child._options) == ("child", 100, {"num_cpus": 2})


def test_what_is_called_itself_is_exchanged_whatever_names_it() -> None:
    names = script(SCRIPT)
    helper = names["helper"]
    for old in (helper, "helper", "__main__.helper", cellray.remote(helper)):
        assert Changes({old: new}).applied(travelled(helper), entry(helper)) == (new, "helper")


def test_what_nobody_uses_is_known() -> None:
    names = script(SCRIPT)
    changes = Changes({"nothing": new})
    assert changes.applied(travelled(names["uses_helper"]), entry(names["uses_helper"]))[1] == ""
    assert changes.unused == ["nothing"]


@dataclass(frozen=True)
class Cell:
    values: dict[str, Callable[[int], int]]


def test_code_in_arguments_is_exchanged_in_place() -> None:
    names = script(SCRIPT)
    given = ((Cell({"f": travelled(names["helper"]), "g": travelled(names["uses_helper"])}),), {})
    assert Changes({"helper": new}).applied_to(given) == "helper"
    assert [given[0][0].values[name](1) for name in "fg"] == [100, 100]
    assert Changes({}).applied_to(given) == ""


def test_only_code_takes_the_place_of_code() -> None:
    with pytest.raises(TypeError, match="has 7 as a value"):
        Changes({"helper": 7})
    assert full_name(new) == f"{__name__}.new"


def test_a_class_that_is_here_is_left_alone() -> None:
    names = script(SCRIPT)
    method = names["Tool"].use
    data = cloudpickle.dumps(names["uses_tool"])
    again = FunctionUnpickler(data, "").load()
    assert again.__globals__["Tool"] is names["Tool"]
    assert names["Tool"].use is method
    copy = FunctionUnpickler(data, "Tool").load().__globals__["Tool"]
    assert copy is not names["Tool"]
    assert copy().use(1) == 2
