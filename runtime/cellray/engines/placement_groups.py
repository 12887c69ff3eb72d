"""Placement groups over one connection, and what the node says of itself when it is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cellray.ids import FunctionHash, GroupId
from cellray.model.command import NodeStateTold
from cellray.model.fact import GroupRemoved, NodeStateRequested
from cellray.model.node import NodeState
from cellray.model.placement import GroupOptions, sum_of
from cellray.model.task import Cell, make_template
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
        (ready,) = engine.submit_packed(index, task, template.template_id, 1, (handle, (), ()))
        engine.release(ready)  # the node keeps it as long as the group
        engine.channel.flush()
        return GroupId(task)

    def remove(self, group_id: GroupId) -> None:
        """Ask the node to remove a group."""
        engine = self._engine
        engine.require_open()
        engine.channel.add(GroupRemoved(group_id, engine.now()))
        engine.channel.flush()


class NodeQuestions:
    """Asks the node for its state, and waits for the answer."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine
        self._requests = itertools.count()
        self._answers: dict[int, NodeState | None] = {}

    def ask(self) -> NodeState:
        """The state as it is after everything that this process has said so far."""
        engine, answers = self._engine, self._answers
        engine.require_open()
        request = next(self._requests)
        answers[request] = None
        engine.channel.add(NodeStateRequested(request))
        engine.channel.flush()
        try:
            engine.channel.wait_until(lambda: answers[request] is not None)
        finally:
            answer = answers.pop(request)
        assert answer is not None
        return answer

    def on_told(self, command: NodeStateTold) -> None:
        """The node answered."""
        if command.request in self._answers:
            self._answers[command.request] = command.state
