"""Lineage: ancestors, descendants, the critical path, totals, and the ways out of Python."""

from __future__ import annotations

import json

import pytest
from cellray.clock import ManualClock
from cellray.config import Config
from cellray.ids import TaskId, return_object_id
from cellray.observe.fold import LogFold
from cellray.observe.lineage import Lineage

from tests.unit.observe.story import NODE, Story, template

LOAD, TRAIN = template("load"), template("train")


class Diamond:
    """Two loads, a train on both, with a child; nobody reads what the third load made."""

    def __init__(self) -> None:
        story = Story()
        self.slow, self.fast, self.other = story.submit(LOAD, 3)
        inputs = (return_object_id(self.slow, 0), return_object_id(self.fast, 0))
        [self.train] = story.submit(TRAIN, dependencies=inputs)
        story.dispatch(10, [self.slow])
        story.dispatch(11, [self.fast, self.other])
        story.finish(self.fast, 0.5)
        story.finish(self.slow, 3.0)
        story.dispatch(10, [self.train])
        [self.child] = story.submit(LOAD, parent=self.train)
        story.dispatch(12, [self.child])
        story.finish(self.child, 0.25)
        story.finish(self.train, 2.0)
        self.fold = LogFold()
        self.fold.apply(story.facts, 0, NODE)
        self.lineage = Lineage(self.fold, clock=ManualClock(5.0))
        self.model = return_object_id(self.train, 0)


def test_ancestors_are_everything_it_was_made_from() -> None:
    graph = Diamond()
    tasks = [node for node in graph.lineage.ancestors(graph.model) if len(node) == 16]
    assert tasks == [graph.train, graph.slow, graph.fast]


def test_descendants_follow_data_and_children() -> None:
    graph = Diamond()
    everything = graph.lineage.descendants(graph.slow)
    assert {graph.train, graph.child, graph.model} <= set(everything)
    assert graph.child not in graph.lineage.descendants(graph.slow, {"data"})
    assert graph.other not in everything


def test_an_unknown_id_is_an_error() -> None:
    graph = Diamond()
    with pytest.raises(KeyError):
        graph.lineage.ancestors(TaskId(b"?" * 16))


def test_the_critical_path_follows_what_came_last() -> None:
    graph = Diamond()
    assert graph.lineage.critical_path(graph.model) == [graph.slow, graph.train]
    assert graph.lineage.critical_path() == [graph.slow, graph.train]
    assert graph.lineage.critical_path(graph.child) == [graph.slow, graph.train, graph.child]


def test_the_critical_path_of_nothing_is_empty() -> None:
    assert Lineage(LogFold()).critical_path() == []


def test_totals_are_by_function() -> None:
    totals = Diamond().lineage.totals()
    assert (totals["load"].tasks, totals["load"].ended, totals["load"].running) == (4, 3, 1)
    assert totals["load"].busy_s == pytest.approx(3.75)
    assert totals["train"].busy_s == pytest.approx(2.0)


def test_a_snapshot_can_be_of_one_lineage() -> None:
    graph = Diamond()
    whole = graph.lineage.to_snapshot()
    assert (whole.mode, len(whole.tasks), len(whole.objects)) == ("tasks", 5, 5)
    part = graph.lineage.to_snapshot(graph.fast)
    assert {task.id for task in part.tasks} == {each.hex() for each in (graph.fast, graph.train, graph.child)}
    ids = {node.id for node in (*part.tasks, *part.objects)}
    assert all(edge.source in ids and edge.target in ids for edge in part.edges)
    assert sum(part.totals.values()) == 3


def test_a_large_snapshot_is_boxes() -> None:
    graph = Diamond()
    boxes = Lineage(graph.fold, config=Config(view_tasks_max=4)).to_snapshot()
    assert (boxes.mode, len(boxes.groups), boxes.tasks) == ("groups", 2, [])
    assert sum(boxes.totals.values()) == 5


def test_json_and_dot_hold_every_node_and_edge() -> None:
    graph = Diamond()
    data = json.loads(graph.lineage.to_json())
    assert (len(data["tasks"]), len(data["objects"]), len(data["edges"])) == (5, 5, 8)
    dot = graph.lineage.to_dot()
    assert dot.startswith("digraph lineage {")
    assert dot.count("shape=box") == 5
    assert dot.count(" -> ") == 8
    assert 'label="train (finished)"' in dot
