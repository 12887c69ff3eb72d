"""Facts about stretches of time that user code names with `cellray.profile`."""

from __future__ import annotations

import msgspec

from cellray.ids import TaskId


class SpanEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=130):
    """A named stretch of a task, or of a driver (by its root task), is over. `error` is what it was left with, if by an
    exception; `extra` what the user wants to see with it."""

    task_id: TaskId
    name: str
    started_at: float
    at: float
    extra: dict[str, str] = {}
    error: str = ""
