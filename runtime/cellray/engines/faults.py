"""Faults on purpose over one connection, for `cellray.testing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.model.fact import FaultRequested

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine
    from cellray.ids import ObjectId, TaskId
    from cellray.model.command import FaultDone


class NativeFaults:
    """`ports.FaultEngine` of one `NativeEngine`."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine

    def lose(self, obj: ObjectId) -> str:
        """See the port. Views that this process keeps only because it may read again end before."""
        self._engine.end_lingering_views()
        done: FaultDone = self._engine.requests.ask(lambda number: FaultRequested(number, lose=obj))
        return done.error

    def kill_worker(self, task: TaskId) -> str:
        """See the port."""
        done: FaultDone = self._engine.requests.ask(lambda number: FaultRequested(number, kill=task))
        return done.error
