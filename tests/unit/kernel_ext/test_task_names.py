"""What the tasks of fan-outs are called in graphs."""

from __future__ import annotations

from collections.abc import Callable

from cellray.observe.messages import CellLabel, GraphDelta, TaskGroup, TaskNode
from cellray_kernel.task_names import RUNS_MAX, NamedGraph, TaskNames

CELL = CellLabel("c1", "In [4]")


def task(number: int, name: str = "In [4]") -> TaskNode:
    return TaskNode(f"{number:032x}", name, "In [4]", "finished", 1.0, cell=CELL)


def names(*numbers: int) -> TaskNames:
    known = TaskNames()
    known.add({number.to_bytes(16, "big"): f"seed={number}" for number in numbers})
    return known


def test_a_task_goes_by_its_element_and_others_by_their_name() -> None:
    known = names(1)
    assert known.of(task(1)) == "seed=1"
    assert known.of(task(2)) == "In [4]"
    assert known.of(task(1, "train")) == "train seed=1"


def test_a_single_task_has_no_element() -> None:
    known = TaskNames()
    known.add({(1).to_bytes(16, "big"): ""})
    assert known.of(task(1)) == "In [4]"


def test_elements_that_come_later_are_found_and_old_runs_forgotten() -> None:
    known, elements = TaskNames(), dict[bytes, str]()
    known.add(elements)
    elements[(7).to_bytes(16, "big")] = "seed=7"
    assert known.of(task(7)) == "seed=7"
    for _ in range(RUNS_MAX):
        known.add({})
    assert known.of(task(7)) == "In [4]"


class Source:
    """Tells one delta to whoever subscribes."""

    delta = GraphDelta(
        0,
        True,
        at=1.0,
        mode="tasks",
        totals={"finished": 2},
        tasks=[task(1), task(2)],
        groups=[TaskGroup("g", "In [4]", CELL, {}, 0.0, None, latest=[task(1)], slowest=[])],
    )

    def snapshot(self) -> GraphDelta:
        return self.delta

    def subscribe(self, callback: Callable[[GraphDelta], None]) -> Callable[[], None]:
        callback(self.delta)
        return lambda: None


def test_snapshots_deltas_and_groups_are_named() -> None:
    graph = NamedGraph(Source(), names(1))
    told: list[GraphDelta] = []
    graph.subscribe(told.append)
    for delta in (graph.snapshot(), *told):
        assert [each.name for each in delta.tasks] == ["seed=1", "In [4]"]
        assert [each.name for each in delta.groups[0].latest] == ["seed=1"]
        assert delta.totals == {"finished": 2}
