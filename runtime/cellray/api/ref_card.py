"""What a notebook shows of a reference: its state, its size and the cell that made it. The value stays where it is."""

from __future__ import annotations

import html

from cellray import provenance
from cellray.ids import ObjectId, is_put, producer_of, short_task_id
from cellray.observe.visual.format import data_size
from cellray.ports import Engine, ObjectLook

GONE = "of a session that has ended"


def ref_card(obj: ObjectId, engine: Engine | None) -> str:
    """A line of HTML. `engine` is None when the session of the object has ended."""
    task = short_task_id(producer_of(obj))
    name = f"put by {task}" if is_put(obj) else f"result of {task}"
    if engine is None:
        facts = [GONE]
    else:
        look = engine.look(obj)
        facts = [_state(look), *([data_size(look.object_bytes)] if look.object_bytes else []), *_maker(look)]
    details = " · ".join(map(html.escape, facts))
    return f'<code title="{obj.hex()}">ObjectRef</code> <span>{html.escape(name)}</span> · {details}'


def _state(look: ObjectLook) -> str:
    if not look.is_resolved:
        return "pending" if look.is_expected else "not asked for here"
    return "failed" if look.is_error else "ready"


def _maker(look: ObjectLook) -> list[str]:
    cell = provenance.cell_at(look.submission)
    return [f"made in In [{cell.execution_count}]"] if cell is not None else []
