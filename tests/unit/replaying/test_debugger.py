"""Calls under a debugger: where it stops, what it passes over, and how it is left."""

from __future__ import annotations

import asyncio
import bdb
import io
import pdb
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from cellray.errors import ReplayError
from cellray.replaying.debugger import Stepper, was_quit


def scripted(*commands: str) -> tuple[pdb.Pdb, io.StringIO]:
    said = io.StringIO()
    return pdb.Pdb(stdin=io.StringIO("".join(f"{command}\n" for command in commands)), stdout=said), said


def half(x: int) -> float:
    rest = x - 1
    return 1 / rest


def count(x: int) -> Iterator[int]:
    yield from range(x)


async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x


async def count_later(x: int) -> AsyncIterator[int]:
    for number in range(x):
        yield number


@pytest.mark.parametrize(("function", "result"), [(half, 1.0), (count, [0, 1]), (later, 2), (count_later, [0, 1])])
def test_everything_runs_to_its_end(function: Any, result: Any) -> None:
    assert Stepper(False).call(function, (2,), {}) == result

    async def within() -> Any:
        return Stepper(False).call(function, (2,), {})

    assert asyncio.run(within()) == result, "also where an event loop runs, as in a notebook"


def test_it_stops_at_the_first_line_of_what_had_not_raised() -> None:
    debugger, said = scripted("p x", "c")
    assert Stepper(debugger).call(half, (3,), {}) == 0.5
    assert "rest = x - 1" in said.getvalue().split("(Pdb)")[0]
    assert "(Pdb) 3" in said.getvalue()


def test_it_stops_in_a_generator_too() -> None:
    debugger, said = scripted("p x", "c")
    assert Stepper(debugger).call(count, (2,), {}) == [0, 1]
    assert "yield from range(x)" in said.getvalue().split("(Pdb)")[0]


def test_it_stops_where_what_had_raised_raises() -> None:
    debugger, said = scripted("p rest", "q")
    with pytest.raises(ZeroDivisionError):
        Stepper(debugger, had_raised=True).call(half, (1,), {})
    assert "return 1 / rest" in said.getvalue().split("(Pdb)")[0]
    assert "(Pdb) 0" in said.getvalue()


def test_it_passes_over_modules_that_are_ours() -> None:
    names: dict[str, Any] = {"__name__": "runs_what_others_wrote", "half": half}
    exec("def run(x):\n    y = x + 1\n    return half(y)\n", names)
    debugger, said = scripted("c")
    assert Stepper(debugger, ["runs_what_others_wrote"]).call(names["run"], (2,), {}) == 0.5
    assert "rest = x - 1" in said.getvalue().split("(Pdb)")[0]


def test_leaving_it_is_no_result() -> None:
    debugger, _ = scripted("q")
    with pytest.raises(bdb.BdbQuit) as caught:
        Stepper(debugger).call(half, (3,), {})
    assert was_quit(caught.value)


def test_without_anybody_at_the_keyboard_it_says_so() -> None:
    class StdinNotImplementedError(RuntimeError):
        """IPython's, by its name."""

    class Deaf(pdb.Pdb):
        def cmdloop(self, intro: Any = None) -> None:
            raise StdinNotImplementedError

    with pytest.raises(ReplayError, match="there is nobody to debug"):
        Stepper(Deaf()).call(half, (3,), {})


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="pdb='begin'"):
        Stepper("begin")  # type: ignore[arg-type]
