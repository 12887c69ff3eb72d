"""From the fold's records to what views are told: task nodes, object nodes and the edges between them."""

from __future__ import annotations

from collections.abc import Container, Iterator

from cellray.ids import ObjectId, TaskId, is_put, item_object_id, producer_of, return_index_of, return_object_id
from cellray.model.task import Cell
from cellray.observe.messages import CellLabel, Edge, EdgeKind, ObjectNode, TaskNode
from cellray.observe.records import ObjectRecord, TaskRecord

ITEMS_MAX = 100
"""So many of a generator's items are kept one by one; of all there is a count."""
EdgeKey = tuple[EdgeKind, TaskId | ObjectId, TaskId | ObjectId]


def cell_label(cell: Cell | None) -> CellLabel | None:
    """How a cell is shown; a line of 0 is unknown."""
    if cell is None:
        return None
    return CellLabel(cell.cell_id, f"In [{cell.execution_count}]", cell.line or None)


def task_node(record: TaskRecord) -> TaskNode:
    """One task; `parent` is left out when it is a driver."""
    template = record.template
    return TaskNode(
        id=record.task_id.hex(),
        name=template.name,
        function=template.function,
        state=record.state_name,
        submitted_at=record.submitted_at,
        parent=record.parent_id.hex() if record.nested else None,
        cell=cell_label(template.cell),
        attempt=record.attempt,
        started_at=record.started_at or None,
        finished_at=record.finished_at or None,
        worker=f"{record.worker[0]}/{record.worker[1]}" if record.worker is not None else None,
        actor=record.actor or None,
        error=record.error or None,
    )


def object_node(object_id: ObjectId, record: ObjectRecord | None, drivers: Container[TaskId]) -> ObjectNode:
    """One object; without a record it is yet to come. `producer` is left out when it is one of the `drivers`."""
    producer = producer_of(object_id)
    put = is_put(object_id)
    return ObjectNode(
        id=object_id.hex(),
        state=record.state if record is not None else "pending",
        producer=None if producer in drivers else producer.hex(),
        return_index=0 if put else return_index_of(object_id),
        is_put=put,
        object_bytes=record.object_bytes if record is not None else None,
    )


def returns_of(record: TaskRecord) -> list[ObjectId]:
    """The objects that a task returns, or will."""
    return [return_object_id(record.task_id, index) for index in range(record.template.num_returns)]


def outputs_of(record: TaskRecord) -> list[ObjectId]:
    """What a task returns, or will, and what it has yielded as a generator, as far as that is kept one by one."""
    items = min(record.items, ITEMS_MAX)
    return returns_of(record) + [item_object_id(record.task_id, index) for index in range(items)]


def edges_into(record: TaskRecord) -> Iterator[EdgeKey]:
    """Edges that end at a task; their other ends may be unknown."""
    for dependency in record.dependencies:
        yield "data", dependency, record.task_id
    if record.nested:
        yield "control", record.parent_id, record.task_id
    if record.previous_call is not None:
        yield "stateful", record.previous_call, record.task_id


def edge(key: EdgeKey) -> Edge:
    """The edge as views are told it."""
    return Edge(key[0], key[1].hex(), key[2].hex())
