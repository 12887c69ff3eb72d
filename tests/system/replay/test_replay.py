"""`cellray.replay`: tasks, generators and calls of actors run once more in this process, as they ran then."""

from __future__ import annotations

import io
import os
import pdb
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray.exceptions import ReplayError

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60


@cellray.remote
def where(number: int, scale: int = 1) -> tuple[int, int, int]:
    return os.getpid(), cellray.task_seed(), number * scale


@cellray.remote
def draw(count: int) -> Any:
    return np.random.default_rng(cellray.task_seed()).normal(size=count)


@cellray.remote
def mean(values: Any) -> float:
    return float(values.mean())


@cellray.remote
def clock() -> dict[str, list[float]]:
    return {"loss": [0.0, time.time()]}


@cellray.remote
def fail(numbers: list[int]) -> float:
    total = sum(numbers)
    return total / (len(numbers) - 3)


@cellray.remote
def parent(count: int) -> Any:
    refs = [draw.remote(10 + number) for number in range(count)]
    stored = cellray.put([1, 2, 3])
    ready, rest = cellray.wait(refs, num_returns=count)
    assert len(ready) == count
    assert not rest
    return [float(value.sum()) for value in cellray.get(refs)], cellray.get(stored)


@cellray.remote
def gives_refs() -> Any:
    return [where.remote(1)]


@cellray.remote(num_returns=2)
def halves(items: list[int]) -> tuple[list[int], list[int]]:
    return items[::2], items[1::2]


@cellray.remote
def squares(count: int) -> Iterator[int]:
    for number in range(count):
        yield number * number


@cellray.remote
def sum_of_squares(count: int) -> int:
    return sum(cellray.get(ref) for ref in squares.remote(count))


@cellray.remote
class Walker:
    def __init__(self, start: int) -> None:
        self.place = start
        self.path: list[int] = []

    def walk(self, steps: int) -> int:
        self.path.append(steps)
        if steps > 100:
            raise ValueError(f"{steps} steps at once")
        self.place += steps
        return self.place

    async def nothing(self) -> None:
        pass


@cellray.remote
class Plain:
    def __init__(self, start: int) -> None:
        self.place = start

    def walk(self, steps: int) -> int:
        self.place += steps
        if steps > 100:
            raise ValueError(f"{steps} steps at once")
        return self.place


def got(ref: Any) -> Any:
    return cellray.get(ref, timeout=WAIT_S)


def scripted(*commands: str) -> tuple[pdb.Pdb, io.StringIO]:
    """A debugger that gets these commands, and what it says."""
    said = io.StringIO()
    return pdb.Pdb(stdin=io.StringIO("".join(f"{command}\n" for command in commands)), stdout=said), said


def refusal(ref: Any) -> str:
    with pytest.raises(ReplayError) as caught:
        cellray.replay(ref)
    return str(caught.value)


def test_a_task_runs_here_with_its_arguments_and_its_seed() -> None:
    ref = where.remote(7, scale=6)
    _, seed, product = got(ref)
    with pytest.warns(UserWarning, match=r"where \(task .*\[0\]: \d+ != "):  # another process
        assert cellray.replay(ref) == (os.getpid(), seed, product)


def test_nothing_is_said_when_it_gives_the_same() -> None:
    ref = mean.remote(draw.remote(100))
    value = got(ref)
    assert cellray.replay(ref) == value
    assert cellray.replay(ref.task_id().hex()) == value
    assert cellray.replay(ref.hex()) == value


def test_another_value_is_told() -> None:
    ref = clock.remote()
    got(ref)
    with pytest.warns(UserWarning, match=r"clock .* another value when it ran again: \['loss'\]\[1\]: \d"):
        cellray.replay(ref)


def test_a_large_argument_that_is_gone_is_made_again() -> None:
    numbers = draw.remote(50_000)  # 400 KB: not in the log
    ref = mean.remote(numbers)
    value = got(ref)
    assert cellray.replay(ref) == value
    del numbers
    assert cellray.replay(ref) == value


def test_a_long_chain_of_such_is_no_recursion() -> None:
    @cellray.remote
    def next_one(values: Any) -> Any:
        return values + 1

    ref = draw.remote(20_000)
    for _ in range(300):
        ref = next_one.remote(ref)
    last = mean.remote(ref)
    value = got(last)
    del ref
    assert cellray.replay(last) == value


def test_what_a_driver_stored_and_dropped_is_missed_with_the_chain_of_reasons() -> None:
    stored = cellray.put(np.ones(50_000))
    middle = draw.remote(50_000)

    @cellray.remote
    def add(one: Any, other: Any) -> Any:
        return one + other

    ref = mean.remote(add.remote(middle, stored))
    got(ref)
    del stored, middle
    with pytest.raises(
        ReplayError, match=r"(?s)mean \(task .*stored with put\(\) by a driver.*freed.*which add \(task"
    ):
        cellray.replay(ref)


def test_it_raises_what_the_task_raised_with_lines_of_the_code() -> None:
    ref = fail.remote([1, 2, 3])
    with pytest.raises(ZeroDivisionError):
        got(ref)
    with pytest.raises(ZeroDivisionError) as caught:
        cellray.replay(ref)
    assert caught.traceback[-1].name == "fail"


def test_the_debugger_stops_where_it_raises() -> None:
    ref = fail.remote([1, 2, 3])
    debugger, said = scripted("p total", "up", "q")
    with pytest.raises(ZeroDivisionError):
        cellray.replay(ref, pdb=debugger)
    assert "6" in said.getvalue()
    assert "len(numbers) - 3" in said.getvalue()


def test_the_debugger_stops_at_the_first_line_of_what_had_not_raised() -> None:
    ref = mean.remote(draw.remote(4))
    value = got(ref)
    debugger, said = scripted("p values.shape", "c")
    assert cellray.replay(ref, pdb=debugger) == value
    assert "return float(values.mean())" in said.getvalue().split("(Pdb)")[0]
    assert "(4,)" in said.getvalue()


def test_leaving_the_debugger_ends_the_replay() -> None:
    ref = mean.remote(draw.remote(4))
    got(ref)
    debugger, _ = scripted("q")
    assert cellray.replay(ref, pdb=debugger) is None


def test_nested_tasks_have_the_results_of_then() -> None:
    ref = parent.remote(3)
    value = got(ref)
    assert cellray.replay(ref) == value


def test_a_nested_task_that_is_new_runs_here(tmp_path: Path) -> None:
    @cellray.remote
    def sometimes(mark: Path) -> int:
        return got(where.remote(5))[2] if not mark.exists() else got(where.remote(6))[2]

    mark = tmp_path / "mark"
    ref = sometimes.remote(mark)
    assert got(ref) == 5
    mark.touch()
    with pytest.warns(UserWarning, match="5 != 6"):
        assert cellray.replay(ref) == 6


def test_references_in_the_result_are_ones_of_this_session() -> None:
    ref = gives_refs.remote()
    (inner,) = got(ref)
    (again,) = cellray.replay(ref)
    assert again == inner
    assert got(again) == got(inner)


def test_several_returns_and_generators_give_lists() -> None:
    even, odd = halves.remote([1, 2, 3])
    got([even, odd])
    assert cellray.replay(odd) == ([1, 3], [2])
    generator = squares.remote(4)
    got(generator.completed())
    assert cellray.replay(generator) == [0, 1, 4, 9]
    ref = sum_of_squares.remote(4)
    assert got(ref) == cellray.replay(ref) == 14


def test_a_call_of_an_actor_runs_on_the_state_that_it_had() -> None:
    actor = Plain.remote(10)
    refs = [actor.walk.remote(steps) for steps in (1, 2, 300, 3)]
    assert got(refs[:2]) == [11, 13]
    with pytest.raises(ValueError, match="300 steps"):
        got(refs[2])
    assert got(refs[3]) == 316
    assert [cellray.replay(refs[place]) for place in (0, 1, 3)] == [11, 13, 316]
    debugger, said = scripted("p self.place", "q")
    with pytest.raises(ValueError, match="300 steps"):
        cellray.replay(refs[2], pdb=debugger)
    assert "313" in said.getvalue()
    assert cellray.replay(actor).place == 10


def test_async_calls_run_on_a_loop_of_their_own() -> None:
    actor = Walker.remote(0)
    ref = actor.walk.remote(2)
    got([ref, actor.nothing.remote()])
    assert cellray.replay(ref) == 2


def test_the_environment_is_there_for_the_time_of_the_replay(tmp_path: Path) -> None:
    @cellray.remote(runtime_env={"env_vars": {"REPLAYED": "yes"}, "working_dir": str(tmp_path)})
    def around() -> tuple[str | None, str]:
        return os.environ.get("REPLAYED"), os.getcwd()

    ref = around.remote()
    value, before = got(ref), os.getcwd()
    assert cellray.replay(ref) == value == ("yes", str(tmp_path))
    assert (os.environ.get("REPLAYED"), os.getcwd()) == (None, before)


@pytest.mark.parametrize(
    ("subject", "error", "said"),
    [
        (b"\1" * 16, ReplayError, "knows no task 01010101-"),
        ("01" * 20, ReplayError, "knows no task 01010101-"),
        ("01010101-7", ReplayError, "knows no task 01010101-7"),
        ("abc", ValueError, "no id"),
        (7, TypeError, "names no task"),
    ],
)
def test_what_cannot_be_replayed(subject: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        cellray.replay(subject)


def test_puts_and_running_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"stored with put\(\)"):
        cellray.replay(cellray.put(1))

    gate = Gate(tmp_path)
    ref = cellray.remote(Gate.pass_through).remote(gate)
    eventually(lambda: "has not ended yet" in refusal(ref), "the log knows the task")
    gate.open()
    got(ref)


def test_bad_options_are_refused() -> None:
    ref = where.remote(1)
    got(ref)
    with pytest.raises(ValueError, match="pdb='begin'"):
        cellray.replay(ref, pdb="begin")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="log=7"):
        cellray.replay(ref, 7)  # type: ignore[arg-type]


def test_a_function_that_no_longer_imports_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (tmp_path / "gone_later.py").write_text("def one():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import gone_later  # type: ignore[import-not-found]

    ref = cellray.remote(gone_later.one).options(runtime_env={"py_modules": [str(tmp_path / "gone_later.py")]}).remote()
    assert got(ref) == 1
    assert cellray.replay(ref) == 1
    (tmp_path / "gone_later.py").write_text("def other():\n    return 2\n")
    del sys.modules["gone_later"]
    with warnings.catch_warnings(), pytest.raises(ReplayError, match=r"`gone_later.one` no longer imports here"):
        cellray.replay(ref)
