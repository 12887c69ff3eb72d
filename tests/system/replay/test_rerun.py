"""`cellray.rerun`: with a change, only what depends on it runs again; the plan says what and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray.exceptions import ReplayError
from cellray.replaying import RerunPlan

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60


@pytest.fixture
def note(tmp_path: Path) -> Callable[[str], None]:
    """What tasks call to say that they have run; travels by its path."""
    return Noted(tmp_path / "ran")


class Noted:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, name: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{name} ")

    def take(self) -> list[str]:
        """What ran since the last time."""
        names = self.path.read_text().split() if self.path.exists() else []
        self.path.unlink(missing_ok=True)
        return sorted(names)


def got(ref: Any) -> Any:
    return cellray.get(ref, timeout=WAIT_S)


def diamond(note: Any) -> dict[str, Any]:
    """load -> left, right -> join; join knows right by a reference in a list. 3 * 10 + (3 + 1) = 34."""

    @cellray.remote
    def load(number: int) -> int:
        note("load")
        return number

    @cellray.remote
    def left(number: int, factor: int = 10) -> int:
        note("left")
        return number * factor

    @cellray.remote
    def right(number: int) -> int:
        note("right")
        return number + 1

    @cellray.remote
    def join(one: int, others: list[Any]) -> int:
        note("join")
        return one + sum(cellray.get(others))

    loaded = load.remote(3)
    a, b = left.remote(loaded), right.remote(loaded)
    joined = join.remote(a, [b])
    assert got(joined) == 34
    assert note.take() == ["join", "left", "load", "right"]
    return {"load": load, "left": left, "right": right, "join": join, "loaded": loaded, "a": a, "b": b, "ref": joined}


def test_a_changed_function_runs_with_what_depends_on_it(note: Noted) -> None:
    graph = diamond(note)

    @cellray.remote
    def other(number: int) -> int:
        note("other")
        return number + 100

    again = cellray.rerun(graph["ref"], functions={graph["right"]: other})
    assert got(again) == 133
    assert note.take() == ["join", "other"]
    assert got(graph["ref"]) == 34
    assert again != graph["ref"]


def test_a_name_will_do_and_keywords_of_then_stay(note: Noted) -> None:
    graph = diamond(note)
    assert got(cellray.rerun(graph["ref"], functions={"left": lambda number, factor=1: number - factor})) == 6
    assert note.take() == ["join"]
    five = cellray.rerun(graph["a"], kwargs={"factor": 5})
    assert got(five) == 15
    assert got(cellray.rerun(five, functions={"left": lambda number, factor: (number, factor)})) == (3, 5)


def test_arguments_and_values_may_change(note: Noted) -> None:
    graph = diamond(note)
    assert got(cellray.rerun(graph["loaded"], args=(7,))) == 7
    assert note.take() == ["load"]
    assert got(cellray.rerun(graph["ref"], values={graph["loaded"]: 5})) == 56
    assert note.take() == ["join", "left", "right"]
    assert got(cellray.rerun(graph["ref"], values={graph["b"]: cellray.put(1000)})) == 1030
    assert note.take() == ["join"]
    assert got(cellray.rerun(graph["ref"])) == 34
    assert note.take() == ["join"]


def test_a_plan_runs_nothing_and_says_what_would_run(note: Noted) -> None:
    graph = diamond(note)
    plan = cellray.rerun(graph["ref"], functions={"right": lambda number: number}, dry_run=True)
    assert isinstance(plan, RerunPlan)
    assert [(step.name, step.reason) for step in plan.steps] == [
        ("right", "diamond.<locals>.right is new"),
        ("join", "it needs right"),
    ]
    assert plan.reused == 2
    assert set(plan.by_function) == {"right", "join"}
    assert plan.expected_s == sum(cost.total_s for cost in plan.by_function.values()) > 0
    assert "2 tasks would run" in repr(plan)
    assert "the values of 2 others are used again" in repr(plan)
    assert "<table>" in plan._repr_html_()
    assert note.take() == []


def test_a_captured_helper_may_change(note: Noted) -> None:
    def helper(number: int) -> int:
        return number + 1

    @cellray.remote
    def child(number: int) -> int:
        note("child")
        return helper(number)

    @cellray.remote
    def parent(number: int) -> int:
        note("parent")
        value: int = cellray.get(child.remote(number))
        return value

    ref = parent.remote(1)
    assert got(ref) == 2
    assert note.take() == ["child", "parent"]
    assert got(cellray.rerun(ref, functions={child: lambda number: number * 100})) == 100
    assert note.take() == ["parent"]
    assert got(cellray.rerun(ref, functions={helper: lambda number: number * 1000})) == 1000
    assert note.take() == ["child", "parent"]


def test_a_value_that_is_gone_is_made_again(note: Noted) -> None:
    @cellray.remote
    def large(number: int) -> Any:
        note("large")
        return np.full(50_000, number)

    @cellray.remote
    def total(values: Any, scale: int) -> int:
        note("total")
        return int(values.sum()) * scale

    ref = total.remote(large.remote(2), 1)
    assert got(ref) == 100_000
    assert note.take() == ["large", "total"]
    twice = {"total": lambda values, scale: 2 * int(values.sum())}
    plan = cellray.rerun(ref, functions=twice, dry_run=True)
    assert [(step.name, step.reason) for step in plan.steps] == [
        ("large", "its value is gone"),
        ("total", f"{total.__qualname__} is new"),
    ]
    assert got(cellray.rerun(ref, functions=twice)) == 200_000
    assert note.take() == ["large"]


def test_what_a_driver_stored_and_dropped_cannot_be_had(note: Noted) -> None:
    @cellray.remote
    def total(values: Any) -> int:
        return int(values.sum())

    stored = cellray.put(np.ones(50_000))
    ref = total.remote(stored)
    got(ref)
    del stored
    with pytest.raises(ReplayError, match=r"stored with put\(\) by a driver"):
        cellray.rerun(ref)


def test_references_inside_of_large_arguments_are_exchanged(note: Noted) -> None:
    @cellray.remote
    def shifted(values: list[Any]) -> float:
        return float(values[0].sum()) + got(values[1])

    @cellray.remote
    def one() -> int:
        note("one")
        return 1

    # The payload is an object of its own, which goes with the task; this one has an end that keeps it.
    first, big = one.remote(), np.ones(20_000)
    stored = cellray.put([big, first])
    ref = shifted.remote(stored)
    assert got(ref) == 20_001
    assert note.take() == ["one"]
    assert got(cellray.rerun(ref, values={stored: [big, cellray.put(5)]})) == 20_005
    gone = shifted.remote([big, first])
    assert got(gone) == 20_001
    with pytest.raises(ReplayError, match=r"stored with put\(\) by a driver, is gone: its 160,256 bytes"):
        cellray.rerun(gone)


def test_calls_run_on_a_new_actor_after_the_calls_before() -> None:
    @cellray.remote
    class Sum:
        def __init__(self, start: int) -> None:
            self.total = start

        def add(self, number: int) -> int:
            self.total += number
            return self.total

    @cellray.remote
    def three() -> int:
        return 3

    class Difference:
        def __init__(self, start: int) -> None:
            self.total = start

        def add(self, number: int) -> int:
            self.total -= number
            return self.total

    actor = Sum.remote(10)
    refs = [actor.add.remote(1), actor.add.remote(three.remote()), actor.add.remote(5)]
    assert got(refs) == [11, 14, 19]
    assert got(cellray.rerun(refs[2], args=(100,))) == 114
    assert got(cellray.rerun(refs[2], functions={three: lambda: 30})) == 46
    assert got(cellray.rerun(refs[1], functions={Sum: Difference})) == 6
    assert got(actor.add.remote(0)) == 19
    plan = cellray.rerun(refs[2], args=(100,), dry_run=True)
    assert [step.reason for step in plan.steps] == ["the state of its actor is needed"] * 3 + ["its arguments are new"]


def test_generators_and_several_returns() -> None:
    @cellray.remote
    def count(number: int) -> Iterator[int]:
        yield from range(number)

    @cellray.remote
    def double(number: int) -> int:
        return 2 * number

    @cellray.remote(num_returns=2)
    def both(number: int) -> tuple[int, int]:
        return number, -number

    items = list(count.remote(3))
    ref = double.remote(items[2])
    assert got(ref) == 4
    assert got(cellray.rerun(ref, functions={count: iter_from})) == 204
    generator = count.remote(2)
    got(generator.completed())
    assert got(list(cellray.rerun(generator, args=(4,)))) == [0, 1, 2, 3]
    minus = both.remote(1)[1]
    got(minus)
    assert got(cellray.rerun(minus, args=(5,))) == -5


def iter_from(number: int) -> Iterator[int]:
    yield from range(100, 100 + number)


def test_bad_changes_are_refused(note: Noted) -> None:
    graph = diamond(note)
    with pytest.raises(ValueError, match=r"no task that uses nothing. It depends on join, left, load, right"):
        cellray.rerun(graph["ref"], functions={"nothing": len})
    with pytest.raises(TypeError, match="has 7 as a value"):
        cellray.rerun(graph["ref"], functions={"left": 7})
    with pytest.raises(ValueError, match="does not depend on what is to change"):
        cellray.rerun(graph["a"], values={graph["b"]: 1})
    with pytest.raises(ReplayError, match="knows no task"):
        cellray.rerun("01" * 16)


def test_a_call_that_would_be_made_twice_is_refused() -> None:
    @cellray.remote
    class Sum:
        def __init__(self) -> None:
            self.total = 0

        def add(self, number: int) -> int:
            self.total += number
            return self.total

    @cellray.remote
    def one() -> int:
        return 1

    @cellray.remote
    def pass_on(handles: list[Any], number: int) -> list[Any]:
        return [handles[0].add.remote(number)]

    @cellray.remote
    def double(number: int, _after: Any) -> int:
        return 2 * number

    actor = Sum.remote()
    passed = pass_on.remote([actor], one.remote())
    (inner,) = got(passed)
    ref = double.remote(inner, passed)
    assert got(ref) == 2
    with pytest.raises(ReplayError, match=r"is a call that pass_on makes, which runs again too"):
        cellray.rerun(ref, functions={one: lambda: 5, Sum: Sum})
