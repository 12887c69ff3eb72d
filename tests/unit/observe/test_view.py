"""The live view: a snapshot and the deltas after it always add up to the snapshot at the end."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from cellray.clock import ManualClock
from cellray.config import Config
from cellray.gcs.memory import MemoryLog, MemoryLogReader
from cellray.ids import JobId, ObjectId, TaskId, return_object_id
from cellray.model import fact as told
from cellray.observe.fold import LogFold
from cellray.observe.follow import LogFollower
from cellray.observe.ledger import FoldLimits
from cellray.observe.messages import GraphDelta
from cellray.observe.scope import GraphFilter
from cellray.observe.view import GraphView
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.observe.story import NODE, Story, stories, template

LOAD = template("load", 1)
SCORE = template("score", 2)


class Page:
    """What a browser does with deltas."""

    def __init__(self) -> None:
        self.sequence = 0
        self.parts: dict[str, dict[Any, Any]] = {}
        self.header: tuple[Any, ...] = ()

    def apply(self, delta: GraphDelta) -> None:
        if delta.reset:
            self.parts = {name: {} for name in ("tasks", "objects", "groups", "edges", "group_edges")}
        else:
            assert delta.sequence == self.sequence + 1
        self.sequence = delta.sequence
        for kind, each in (("tasks", delta.tasks), ("objects", delta.objects), ("groups", delta.groups)):
            self.parts[kind].update({node.id: node for node in each})  # type: ignore[attr-defined]
        for kind, lines in (("edges", delta.edges), ("group_edges", delta.group_edges)):
            self.parts[kind].update({(line.kind, line.source, line.target): line for line in lines})  # type: ignore[attr-defined]
        gone = set(delta.removed)
        for kind in ("tasks", "objects"):
            self.parts[kind] = {key: node for key, node in self.parts[kind].items() if key not in gone}
        edges = self.parts["edges"]
        self.parts["edges"] = {key: edge for key, edge in edges.items() if gone.isdisjoint(key[1:])}
        self.header = (delta.mode, delta.totals, delta.rate_per_s, delta.dropped, delta.disconnected_since)


class Watched:
    """A view over a fold that is fed by hand."""

    def __init__(
        self, wanted: GraphFilter | None = None, *, tasks_max: int = 2000, limits: FoldLimits | None = None
    ) -> None:
        self.clock = ManualClock(1000.0)
        self.fold = LogFold(limits)
        follower = LogFollower(MemoryLogReader(MemoryLog()), self.fold)
        # Nothing is read in the background: the thread of a closed follower does not start.
        follower.close()
        config = Config(view_tasks_max=tasks_max)
        self.view = GraphView(follower, wanted or GraphFilter(), config=config, clock=self.clock)
        self.page = Page()
        self.deltas: list[GraphDelta] = []

    def feed(self, facts: list[Any]) -> GraphDelta | None:
        self.fold.apply(facts, 0, NODE)
        if self.fold.last_at > self.clock.now():
            self.clock.advance(self.fold.last_at - self.clock.now())
        return self.look()

    def look(self) -> GraphDelta | None:
        delta = self.view.next_delta(self.fold.take_changes())
        if delta is not None:
            self.deltas.append(delta)
            self.page.apply(delta)
        return delta

    def check(self) -> None:
        fresh = Page()
        snapshot = self.view.snapshot()
        assert snapshot.reset
        fresh.apply(snapshot)
        assert self.page.header == fresh.header
        for kind, there in fresh.parts.items():
            assert self.page.parts[kind] == there, kind


FILTERS = [
    GraphFilter(),
    GraphFilter(job_id=JobId(b"job0")),
    GraphFilter(cell_id="c1"),
    GraphFilter(cell_id="c1", execution_count=3),
]


@given(
    stories(),
    st.lists(st.integers(0, 150), max_size=8),
    st.sampled_from(FILTERS),
    st.sampled_from([3, 12, 2000]),
    st.sampled_from([2, 10, 2000]),
)
def test_snapshot_and_deltas_add_up(
    story: Story, cuts: list[int], wanted: GraphFilter, tasks_max: int, kept_max: int
) -> None:
    watched = Watched(wanted, tasks_max=tasks_max, limits=FoldLimits(tasks_max=kept_max, puts_max=kept_max))
    edges = [0, *sorted(min(each, len(story.facts)) for each in cuts), len(story.facts)]
    for start, end in pairwise(edges):
        watched.feed(story.facts[start:end])
        watched.check()
    assert [delta.sequence for delta in watched.deltas] == list(range(1, len(watched.deltas) + 1))


@given(stories(), st.sampled_from([0, 5, 2000]))
def test_counts_add_up_to_totals(story: Story, tasks_max: int) -> None:
    watched = Watched(tasks_max=tasks_max)
    watched.feed(story.facts)
    snapshot = watched.view.snapshot()
    assert sum(snapshot.totals.values()) == watched.fold.submitted
    if snapshot.mode == "tasks":
        assert Counter(task.state for task in snapshot.tasks) == snapshot.totals
    else:
        counted: Counter[str] = Counter()
        for group in snapshot.groups:
            counted.update(group.counts)
            assert len(group.latest) <= 5
            assert [task.function for task in group.slowest] == [group.function] * len(group.slowest)
        assert counted == snapshot.totals


@given(stories(), st.integers(0, 99))
def test_a_view_of_ancestors_adds_up(story: Story, which: int) -> None:
    if not story.objects:
        return
    target: ObjectId = story.objects[which % len(story.objects)]
    watched = Watched(GraphFilter(ancestors_of=target))
    half = len(story.facts) // 2
    for facts in (story.facts[:half], story.facts[half:]):
        watched.feed(facts)
        watched.check()


def test_edges_are_told_when_both_ends_are_there() -> None:
    watched, story = Watched(), Story()
    [first] = story.submit(LOAD)
    value = return_object_id(first, 0)
    story.submit(LOAD, dependencies=(value,))
    delta = watched.feed(story.facts)
    assert delta is not None
    told_edges = {(edge.kind, edge.source, edge.target) for edge in delta.edges}
    assert ("data", first.hex(), value.hex()) in told_edges
    assert len(told_edges) == 3
    assert delta.tasks[0].cell is not None
    assert delta.tasks[0].cell.label == "In [1]"


def test_what_did_not_change_is_not_told() -> None:
    watched, story = Watched(), Story()
    ids = story.submit(LOAD, 3)
    watched.feed(story.facts)
    before = len(story.facts)
    story.dispatch(10, ids[:1])
    delta = watched.feed(story.facts[before:])
    assert delta is not None
    assert not delta.reset
    assert [task.id for task in delta.tasks] == [ids[0].hex()]
    assert not delta.objects
    assert watched.look() is None


def test_many_tasks_become_boxes_with_a_reset() -> None:
    watched, story = Watched(tasks_max=4), Story()
    ids = story.submit(LOAD, 3)
    story.dispatch(10, ids)
    watched.feed(story.facts)
    before = len(story.facts)
    story.finish(ids[0], 0.5)
    story.submit(SCORE, 2, dependencies=(return_object_id(ids[0], 0),))
    delta = watched.feed(story.facts[before:])
    assert delta is not None
    assert (delta.reset, delta.mode, delta.tasks) == (True, "groups", [])
    load, score = delta.groups
    assert (load.function, load.counts) == ("load", {"finished": 1, "running": 1, "ready": 1})
    assert (load.duration_p50_s, load.slowest[0].id) == (0.5, ids[0].hex())
    assert load.cell is not None
    assert load.cell.label == "In [1]"
    assert [(edge.source, edge.target, edge.count) for edge in delta.group_edges] == [(load.id, score.id, 2)]
    assert load.rate_per_s > 0


def test_a_rate_falls_to_nothing_in_silence() -> None:
    watched, story = Watched(tasks_max=0), Story()
    ids = story.submit(LOAD, 2)
    story.dispatch(10, ids)
    story.finish(ids[0])
    watched.feed(story.facts)
    watched.clock.advance(60)
    delta = watched.look()
    assert delta is not None
    assert (delta.rate_per_s, [group.rate_per_s for group in delta.groups]) == (0, [0])
    assert watched.look() is None


def test_what_the_fold_only_counts_is_said_to_be_dropped() -> None:
    watched, story = Watched(limits=FoldLimits(tasks_max=2)), Story()
    ids = story.submit(LOAD, 4)
    story.dispatch(10, ids)
    watched.feed(story.facts)
    before = len(story.facts)
    for task_id in ids:
        story.finish(task_id)
    delta = watched.feed(story.facts[before:])
    assert delta is not None
    assert delta.dropped == 2
    assert set(delta.removed) >= {ids[0].hex(), ids[1].hex()}
    assert sum(delta.totals.values()) == 4


def test_runs_of_one_cell_come_together_in_one_box() -> None:
    watched, story = Watched(tasks_max=0), Story()
    story.submit(template("load", 1))
    story.submit(template("load", 3))
    story.tell(told.SessionEnded, reason="x")
    delta = watched.feed(story.facts)
    assert delta is not None
    [group] = delta.groups
    assert group.counts == {"cancelled": 2}
    assert group.cell is not None
    assert (group.cell.cell_id, group.cell.label) == ("c1", "In [3]")


@pytest.mark.parametrize(("wanted", "count"), [*zip(FILTERS, (4, 3, 3, 1), strict=True)])
def test_a_filter_keeps_others_out(wanted: GraphFilter, count: int) -> None:
    watched, story = Watched(wanted), Story()
    story.submit(template("load", 1))
    story.submit(template("load", 2))
    story.submit(template("load", 3))
    story.submit(template("load", 1), parent=TaskId(b"someone else's.."))
    delta = watched.feed(story.facts)
    assert delta is not None
    assert len(delta.tasks) == sum(delta.totals.values()) == count


def test_an_input_from_outside_is_shown_and_kept_up_to_date() -> None:
    watched, story = Watched(FILTERS[2]), Story()
    [outside] = story.submit(template("load", 2))
    value = return_object_id(outside, 0)
    story.submit(template("load", 1), dependencies=(value,))
    story.dispatch(10, [outside])
    delta = watched.feed(story.facts)
    assert delta is not None
    assert {node.id: node.state for node in delta.objects}[value.hex()] == "pending"
    before = len(story.facts)
    story.finish(outside)
    delta = watched.feed(story.facts[before:])
    assert delta is not None
    assert [(node.id, node.state) for node in delta.objects] == [(value.hex(), "inline")]


def test_an_input_that_leaves_with_one_task_and_comes_with_another_stays() -> None:
    watched, story = Watched(FILTERS[2], limits=FoldLimits(tasks_max=1)), Story()
    value = story.put()
    [old] = story.submit(template("load", 1), dependencies=(value,))
    story.dispatch(10, [old])
    watched.feed(story.facts)
    before = len(story.facts)
    story.finish(old)
    story.submit(template("load", 1), dependencies=(value,))
    story.cancel(story.submitted[-1])
    story.submit(template("load", 1), dependencies=(value,))
    watched.feed(story.facts[before:])
    watched.check()
    assert value.hex() in watched.page.parts["objects"]
