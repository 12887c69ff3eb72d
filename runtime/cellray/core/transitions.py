"""The moves of a task: which state may follow which, and the error that tells a task's story when one must not.

    submitted ─> WAITING ─> READY ─> ASSIGNED ─> FINISHED | FAILED | CANCELLED
                    ^─────────────────────┘  to be tried again, after a pause
                    └────────────────────────> FINISHED  as the log tells: a parent that runs again submitted it again
                    │         │ ^        │
                    │         │ └────────┘  given back unbegun, or tried again
                    ^─────────┘  its arguments were moved to disk
                              └──────────────> FINISHED  by the node itself: a placement group was created
                    └─────────┴──────────────> FAILED | CANCELLED

A task whose dependencies all exist passes through WAITING too, so that the table has one way in. Final states have no
way out: a task that is submitted again after its record went is a new record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cellray.errors import InternalError
from cellray.ids import short_task_id
from cellray.model.task import TaskState

if TYPE_CHECKING:
    from cellray.core.tasks import Task

# Plain integers: the hot path compares them, and hashing an IntEnum member runs Python code.
WAITING: Final[int] = TaskState.WAITING.value
READY: Final[int] = TaskState.READY.value
ASSIGNED: Final[int] = TaskState.ASSIGNED.value
FINISHED: Final[int] = TaskState.FINISHED.value
FAILED: Final[int] = TaskState.FAILED.value
CANCELLED: Final[int] = TaskState.CANCELLED.value

LEGAL: Final[tuple[frozenset[int], ...]] = (
    frozenset({READY, FINISHED, FAILED, CANCELLED}),
    frozenset({ASSIGNED, WAITING, FINISHED, FAILED, CANCELLED}),
    frozenset({READY, WAITING, FINISHED, FAILED, CANCELLED}),
    frozenset(),
    frozenset(),
    frozenset(),
)
"""`LEGAL[state]` are the states that may follow it."""


class IllegalMoveError(InternalError):
    """A task was about to make a move that the table does not have."""


def move(task: Task, state: int) -> None:
    """Put `task` into `state`. Raises IllegalMoveError with the task's story when the table forbids it."""
    if state not in LEGAL[task.state]:
        raise IllegalMoveError(f"{TaskState(task.state).name} -> {TaskState(state).name} is no move. {story(task)}")
    task.state = state


def story(task: Task) -> str:
    """What is known of a task, in one paragraph, for errors."""
    name = f"{short_task_id(task.task_id)} ({task.template.spec.name}, {task.task_id.hex()})"
    parts = [
        f"Task {name}, submitted at {task.submitted_at:.6f} by client {task.owner_id} as number {task.order}",
        f"state {TaskState(task.state).name}",
        f"attempt {task.attempt}",
        f"{task.missing} of {len(task.spec.dependencies)} dependencies missing",
    ]
    if task.worker is not None:
        parts.append(f"on worker {task.worker.client_id}")
    if task.cancel is not None:
        parts.append(f"cancel asked at {task.cancel.at:.6f} ({task.cancel.reason or 'no reason given'})")
    return "; ".join([*parts, *task.notes]) + "."
