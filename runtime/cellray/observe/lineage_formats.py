"""Ways for a graph out of Python: Graphviz' DOT language and NetworkX."""

from __future__ import annotations

from typing import Any

import msgspec

from cellray.observe.messages import EdgeKind, GraphDelta, ObjectNode
from cellray.observe.visual.format import data_size

_DOT_STYLES: dict[EdgeKind, str] = {"data": "solid", "control": "dashed", "stateful": "dotted"}


def to_dot(graph: GraphDelta) -> str:
    """Boxes are tasks, ellipses objects."""
    boxes = [f'  "{task.id}" [shape=box, label={_quoted(f"{task.name} ({task.state})")}];' for task in graph.tasks]
    ellipses = [f'  "{item.id}" [shape=ellipse, label={_quoted(_size(item))}];' for item in graph.objects]
    arrows = [f'  "{line.source}" -> "{line.target}" [style={_DOT_STYLES[line.kind]}];' for line in graph.edges]
    return "\n".join(["digraph lineage {", "  rankdir=LR;", *boxes, *ellipses, *arrows, "}", ""])


def to_networkx(graph: GraphDelta) -> Any:
    """A MultiDiGraph: a call may be both a child and the next call of another one."""
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "to_networkx() needs NetworkX, which is not installed: pip install networkx. "
            "to_json() and to_dot() need nothing."
        ) from error
    made = networkx.MultiDiGraph()
    for kind, nodes in (("task", graph.tasks), ("object", graph.objects)):
        for fields in msgspec.to_builtins(nodes):
            made.add_node(fields.pop("id"), node=kind, **fields)
    for line in graph.edges:
        made.add_edge(line.source, line.target, key=line.kind, kind=line.kind)
    return made


def _size(item: ObjectNode) -> str:
    return data_size(item.object_bytes) if item.object_bytes is not None else item.state


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
