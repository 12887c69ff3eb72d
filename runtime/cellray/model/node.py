"""What a node says of itself when it is asked."""

from __future__ import annotations

import msgspec

from cellray.model.placement import GroupState
from cellray.model.task import Resources


class NodeState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Resources as they are now, those of placement groups included; `available` may be negative for a while.

    `namespace` is that of whoever asked.
    """

    total: Resources
    available: Resources
    object_store_bytes: int
    object_store_used_bytes: int
    groups: tuple[GroupState, ...] = ()
    namespace: str = ""
