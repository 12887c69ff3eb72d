"""Lineage: ancestors, descendants, the critical path, totals, and the ways out of Python."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from cellray.clock import ManualClock
from cellray.ids import TaskId, return_object_id, short_task_id
from cellray.model import fact as told
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.lineage import Lineage, Node
from cellray.observe.messages import TaskNode
from cellray.observe.subjects import key_of

from tests.unit.observe.story import NODE, Story, template

LOAD, TRAIN = template("load"), template("train")


def ids(nodes: Sequence[Node], kind: type[Node] | None = None) -> list[bytes]:
    return [bytes.fromhex(node.id) for node in nodes if kind is None or isinstance(node, kind)]


class Diamond:
    """Two loads, a train on both, with a child; nobody reads what the third load made."""

    def __init__(self) -> None:
        story = self.story = Story()
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
    assert ids(graph.lineage.ancestors(graph.model), TaskNode) == [graph.train, graph.child, graph.slow, graph.fast]
    assert ids(graph.lineage.ancestors(graph.model, {"data"}), TaskNode) == [graph.train, graph.slow, graph.fast]
    assert ids(graph.lineage.ancestors(graph.child), TaskNode) == [graph.train, graph.slow, graph.fast]


def test_descendants_follow_data_and_children() -> None:
    graph = Diamond()
    everything = ids(graph.lineage.descendants(graph.slow))
    assert {graph.train, graph.child, graph.model} <= set(everything)
    assert graph.child not in ids(graph.lineage.descendants(graph.slow, {"data"}))
    assert graph.other not in everything


def test_what_a_child_made_may_be_in_what_its_parent_returned_but_not_in_its_siblings() -> None:
    story = Story()
    [parent] = story.submit(TRAIN)
    first, second = story.submit(LOAD, 2, parent=parent)
    [after] = story.submit(LOAD, dependencies=(return_object_id(parent, 0),))
    fold = LogFold()
    fold.apply(story.facts, 0, NODE)
    lineage = Lineage(fold)
    assert ids(lineage.descendants(first), TaskNode) == [parent, after]
    assert set(ids(lineage.ancestors(after), TaskNode)) == {parent, first, second}
    assert ids(lineage.ancestors(first), TaskNode) == [parent]


def test_an_unknown_id_is_an_error() -> None:
    graph = Diamond()
    with pytest.raises(KeyError):
        graph.lineage.ancestors(TaskId(b"?" * 16))


def test_the_critical_path_follows_what_came_last() -> None:
    graph = Diamond()
    assert ids(graph.lineage.critical_path(graph.model)) == [graph.slow, graph.train]
    assert ids(graph.lineage.critical_path()) == [graph.slow, graph.train]
    assert ids(graph.lineage.critical_path(graph.child)) == [graph.slow, graph.train, graph.child]


def test_the_critical_path_of_nothing_is_empty() -> None:
    assert Lineage(LogFold()).critical_path() == []


def test_totals_are_by_function() -> None:
    totals = Diamond().lineage.totals()
    assert (totals["load"].tasks, totals["load"].ended, totals["load"].running) == (4, 3, 1)
    assert totals["load"].busy_s == pytest.approx(3.75)
    assert totals["train"].busy_s == pytest.approx(2.0)


def test_it_can_be_of_one_node() -> None:
    graph = Diamond()
    whole = graph.lineage.to_snapshot()
    assert (whole.mode, len(whole.tasks), len(whole.objects)) == ("tasks", 5, 5)
    part = Lineage(graph.fold, graph.fast)
    assert {task.id for task in part.tasks} == {each.hex() for each in (graph.fast, graph.train, graph.child)}
    nodes = {node.id for node in (*part.tasks, *part.objects)}
    assert part.edges
    assert all(edge.source in nodes and edge.target in nodes for edge in part.edges)
    assert ids([part.start]) == [graph.fast]  # type: ignore[list-item]
    assert part.totals()["load"].tasks == 2
    assert ids(part.critical_path()) == [graph.fast]
    with pytest.raises(KeyError):
        part.ancestors(graph.slow)


def test_it_stays_as_it_was_when_the_log_grows() -> None:
    graph = Diamond()
    before = graph.lineage.to_json()
    graph.fold.apply([told.SessionEnded(9e9, "over")], 0, NODE)
    assert graph.lineage.to_json() == before


def test_tasks_that_are_kept_as_counts_are_said_to_be_left_out() -> None:
    graph = Diamond()
    small = LogFold(FoldLimits(tasks_max=2))
    small.apply(graph.story.facts, 0, NODE)
    assert Lineage(small).left_out == 3
    assert Lineage(small, graph.train).left_out == 2
    assert "2 tasks left out" in repr(Lineage(small, graph.train))
    assert sum(each.tasks for each in Lineage(small).totals().values()) == 5


def test_json_and_dot_hold_every_node_and_edge() -> None:
    graph = Diamond()
    data = json.loads(graph.lineage.to_json())
    assert (len(data["tasks"]), len(data["objects"]), len(data["edges"])) == (5, 5, 8)
    dot = graph.lineage.to_dot()
    assert dot.startswith("digraph lineage {")
    assert dot.count("shape=box") == 5
    assert dot.count(" -> ") == 8
    assert 'label="train (finished)"' in dot


def test_networkx_has_every_node_and_edge() -> None:
    made = Diamond().lineage.to_networkx()
    assert (made.number_of_nodes(), made.number_of_edges()) == (10, 8)
    assert {data["node"] for _, data in made.nodes(data=True)} == {"task", "object"}
    assert {kind for *_, kind in made.edges(keys=True)} == {"data", "control"}


def test_the_picture_says_whose_lineage_it_is() -> None:
    graph = Diamond()
    assert "Lineage of train" in Lineage(graph.fold, graph.model).to_svg()
    assert Lineage(graph.fold, graph.model)._repr_html_().startswith("<svg")


@pytest.mark.parametrize("subject", ["00", b"123", "zz", 3, None])
def test_what_names_nothing_is_an_error_that_says_what_does(subject: object) -> None:
    with pytest.raises((TypeError, ValueError), match="ask with an ObjectRef"):
        key_of(subject)


def test_a_short_id_is_enough() -> None:
    graph = Diamond()
    assert key_of(short_task_id(graph.train), graph.fold) == graph.train
    assert key_of(graph.train.hex(), graph.fold) == graph.train
    with pytest.raises(KeyError):
        key_of("00000000-99", graph.fold)
