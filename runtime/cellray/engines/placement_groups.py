"""Placement groups over one connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cellray.ids import FunctionHash, GroupId
from cellray.model.fact import GroupRemoved
from cellray.model.placement import GroupOptions, sum_of
from cellray.model.task import Cell, TaskSpec, make_template
from cellray.serialization import serialize

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine


class NativeGroups:
    """`ports.GroupEngine` of one `NativeEngine`."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine

    def create(self, options: GroupOptions, make_handle: Callable[[GroupId], Any], cell: Cell | None) -> GroupId:
        """Submit the group's creation. Its argument is the handle, which the node returns once the group is there."""
        engine = self._engine
        template = make_template(
            FunctionHash(b""),
            options.name or "placement_group",
            sum_of(options.bundles),
            max_retries=0,
            cell=cell,
            group=options,
        )
        engine.register_template(template)
        index, task = engine.context.take_child()
        handle = serialize(make_handle(GroupId(task))).to_bytes()
        (ready,) = engine.submit_spec(task, TaskSpec(index, template.template_id, handle), 1)
        engine.release(ready)  # the node keeps it as long as the group
        engine.channel.flush()
        return GroupId(task)

    def remove(self, group_id: GroupId) -> None:
        """Ask the node to remove a group."""
        engine = self._engine
        engine.require_open()
        engine.channel.add(GroupRemoved(group_id, engine.now()))
        engine.channel.flush()
