"""The static picture: what it shows, folds and says, and that it depends on nothing outside itself."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import msgspec
from cellray.observe.messages import CellLabel, Edge, GraphDelta, ObjectNode, TaskNode, TaskStateName
from cellray.observe.svg import graph_svg, graph_words
from cellray.observe.svg_layout import Rect, lay_out, longest_paths
from cellray.observe.svg_pen import fitting_name
from cellray.observe.svg_scene import fold, scene_of, short_name
from cellray.observe.visual import tokens

CELL = CellLabel("c1", "In [5]", 3)
SVG = "{http://www.w3.org/2000/svg}"


def task(name: str, state: TaskStateName = "finished", *, at: float = 0.0, actor: str | None = None) -> TaskNode:
    return TaskNode(
        id=name, name=name, function=name.rstrip("0123456789"), state=state, submitted_at=at, cell=CELL,
        started_at=at + 1, finished_at=at + 1.25, actor=actor,
    )  # fmt: skip


def snapshot(tasks: list[TaskNode], edges: list[Edge] | None = None, dropped: int = 0) -> GraphDelta:
    totals: dict[str, int] = {}
    for each in tasks:
        totals[each.state] = totals.get(each.state, 0) + 1
    objects = [ObjectNode(f"{each.id}.0", "shared", producer=each.id, object_bytes=10) for each in tasks]
    return GraphDelta(
        sequence=0, reset=True, at=9.0, mode="tasks", totals=totals, tasks=tasks, objects=objects,
        edges=edges or [], dropped=dropped,
    )  # fmt: skip


def fan(count: int) -> GraphDelta:
    parts = [task(f"part{index}", at=float(index)) for index in range(count)]
    edges = [Edge("data", "load.0", part.id) for part in parts]
    edges += [Edge("data", f"{part.id}.0", "merge") for part in parts]
    return snapshot([task("load", at=-1.0), *parts, task("merge", "waiting", at=count + 1.0)], edges)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def overlapping(rects: list[Rect]) -> list[tuple[Rect, Rect]]:
    return [
        (a, b)
        for index, a in enumerate(rects)
        for b in rects[index + 1 :]
        if a.x < b.right - 0.01 and b.x < a.right - 0.01 and a.y < b.bottom - 0.01 and b.y < a.bottom - 0.01
    ]


def test_shows_names_durations_cell_and_title() -> None:
    said = texts(graph_svg(fan(2), title="Training"))
    assert {"Training", "In [5]", "load", "part0", "merge", "250 ms", "waiting for inputs"} <= set(said)


def test_depends_on_nothing_outside_itself() -> None:
    svg = graph_svg(fan(3), title='<script>alert("x")</script> & more')
    assert "<script" not in svg
    assert not re.search(r"(href|src|@import|url\()", svg)
    assert svg.count("http") == 1  # the name space
    assert "prefers-color-scheme" in svg


def test_legend_has_only_what_occurs() -> None:
    said = texts(graph_svg(snapshot([task("f", "failed")])))
    assert "failed" in said
    assert "running" not in said
    assert "started by" not in said


def test_boxes_do_not_overlap_and_edges_go_right() -> None:
    scene = scene_of(fan(64))
    positions = lay_out(scene)
    assert overlapping(list(positions.boxes.values())) == []
    for line in scene.lines:
        assert positions.boxes[line.source].x < positions.boxes[line.target].x


def test_calls_of_an_actor_stand_in_its_lane() -> None:
    calls = [task(f"call{index}", at=float(index), actor="a1") for index in range(3)]
    positions = lay_out(scene_of(snapshot([*calls, task("free")])))
    lane = positions.lanes["a1"]
    rects = [positions.boxes[call.id] for call in calls]
    assert [rect.x for rect in rects] == sorted({rect.x for rect in rects})
    assert all(lane.x <= rect.x and rect.right <= lane.right and lane.y <= rect.y for rect in rects)
    assert all(rect.bottom <= lane.bottom for rect in rects)


def test_a_long_lane_is_folded_between_its_first_and_its_latest_calls() -> None:
    calls = [task(f"call{index}", actor="a1") for index in range(60)]  # submitted together
    edges = [Edge("stateful", a.id, b.id) for a, b in pairwise(calls)]
    edges += [Edge("data", "load.0", "call5"), Edge("data", "call6.0", "last")]
    whole = snapshot([task("load", at=-1.0), *calls, task("last", at=99.0)], edges)
    scene = scene_of(whole)
    assert [box.id for box in scene.boxes if box.lane] == ["call0", "a1/between", *(f"call{n}" for n in range(53, 60))]
    assert ("load", "a1/between") in {(line.source, line.target) for line in scene.lines}
    assert ("a1/between", "last") in {(line.source, line.target) for line in scene.lines}
    positions = lay_out(scene)
    assert overlapping([*positions.boxes.values()]) == []
    lane = positions.lanes["a1"]
    rects = [positions.boxes[box.id] for box in scene.boxes if box.lane]
    assert all(lane.y <= rect.y and rect.bottom <= lane.bottom for rect in rects)
    said = texts(graph_svg(whole))
    assert "52 calls, folded into one box for each actor." in said
    assert "52 tasks" in said


def test_many_tasks_are_folded_and_the_picture_says_so() -> None:
    many = fan(tokens().limits.svg_nodes_max)
    groups, edges = fold(many)
    assert sorted(group.function for group in groups) == ["load", "merge", "part"]
    assert sum(edge.count for edge in edges) == 400
    said = texts(graph_svg(many))
    assert "202 tasks, folded into one box for each function and cell." in said
    assert "200 tasks" in said


def test_highlight_fades_what_has_no_part_in_a_node() -> None:
    assert graph_svg(fan(3)).count('opacity="0.25"') == 0
    # Two other parts, and the two lines of each.
    assert graph_svg(fan(3), highlight="part1").count('opacity="0.25"') == 2 + 4
    assert graph_svg(fan(3), highlight="unknown").count('opacity="0.25"') == 0


def test_empty_and_dropped_are_told() -> None:
    assert "Nothing has run yet." in texts(graph_svg(snapshot([])))
    said = texts(graph_svg(snapshot([task("f")], dropped=1200)))
    assert "1.2k tasks are missing from this picture; the counts include them." in said
    said = texts(graph_svg(msgspec.structs.replace(fan(2), missed_records=1)))
    assert "1 record of the log could not be read any more: what they told is missing, in the counts too." in said


def test_is_not_wider_than_asked() -> None:
    root = ElementTree.fromstring(graph_svg(fan(64), width=800))
    assert root.get("width") == "800"


def test_words() -> None:
    assert graph_words(fan(3)) == "4/5 done, 1 waiting"
    assert graph_words(snapshot([])) == "no tasks yet"


def test_layers_end_in_a_cycle() -> None:
    assert longest_paths(["a", "b", "c"], {"a": ["b"], "b": ["a", "c"]}) == {"a": 0, "b": 1, "c": 2}


def test_names_that_are_no_dotted_names_are_left_whole_and_elements_keep_their_value() -> None:
    assert [short_name(name) for name in ("a.b.f", "lr=0.5", "In [4]", "f")] == ["f", "lr=0.5", "In [4]", "f"]
    assert fitting_name("seed=17", 200, 12.5) == "seed=17"
    assert fitting_name("temperature=0.25", 60, 12.5) == "0.25"
