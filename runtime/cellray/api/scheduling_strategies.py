"""Scheduling strategies: where tasks and actors are to run, with Ray's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellray.api.placement_group import PlacementGroup


class PlacementGroupSchedulingStrategy:
    """Run in a placement group: in its bundle of this index, or in any with -1.

    With `placement_group_capture_child_tasks` what the task or actor submits runs in the group too.
    """

    def __init__(
        self,
        placement_group: PlacementGroup | None,
        placement_group_bundle_index: int = -1,
        placement_group_capture_child_tasks: bool | None = None,
    ) -> None:
        self.placement_group = placement_group
        self.placement_group_bundle_index = placement_group_bundle_index
        self.placement_group_capture_child_tasks = placement_group_capture_child_tasks


class NodeAffinitySchedulingStrategy:
    """Run on the node of this id (of `cellray.nodes()`); with `soft` elsewhere if there is no such node."""

    def __init__(
        self, node_id: str, soft: bool, _spill_on_unavailable: bool = False, _fail_on_unavailable: bool = False
    ) -> None:
        if not isinstance(node_id, str) or not node_id:
            raise ValueError(f"Invalid node_id {node_id!r}. Give the 'NodeID' of one of cellray.nodes().")
        if _spill_on_unavailable and not soft:
            raise ValueError("_spill_on_unavailable cannot be set when soft is False.")
        if _fail_on_unavailable and soft:
            raise ValueError("_fail_on_unavailable cannot be set when soft is True.")
        self.node_id = node_id
        self.soft = soft
