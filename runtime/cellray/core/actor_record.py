"""The record of one actor, and its moves.

    created ─> PENDING ─> ALIVE <─> RESTARTING
                  │         │           │
                  └─────────┴───────────┴──> DEAD

A record stays while anybody holds the actor's object, DEAD or not, so that later calls are told why.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from cellray.core.under_way import UnderWay
from cellray.errors import InternalError
from cellray.ids import ActorId, ClientId, ObjectId, actor_object_id
from cellray.model.actor import ActorOptions, ActorState

if TYPE_CHECKING:
    from cellray.core.actor_journal import Journal
    from cellray.core.objects import ObjectEntry
    from cellray.core.tasks import Task
    from cellray.core.workers import Worker
    from cellray.model.object import ObjectValue

PENDING: Final[int] = ActorState.PENDING.value
ALIVE: Final[int] = ActorState.ALIVE.value
RESTARTING: Final[int] = ActorState.RESTARTING.value
DEAD: Final[int] = ActorState.DEAD.value

LEGAL: Final[tuple[frozenset[int], ...]] = (
    frozenset({ALIVE, DEAD}),
    frozenset({RESTARTING, DEAD}),
    frozenset({ALIVE, DEAD}),
    frozenset(),
)
"""`LEGAL[state]` are the states that may follow it."""


class Actor:
    """One actor. `creation` is the task that made it, or makes it again; `worker` its process, once there is one.

    `lanes` are its calls that were not sent yet, in the order of submission, for each client that calls: a call waits
    for those before it in its lane, whatever their arguments wait for. `kept` are the constructor's arguments, for
    restarts, and the actor's own object when it is detached. `under_way` is None when calls run one after another,
    `journal` when the actor's state goes with its process.
    """

    __slots__ = (
        "actor_id",
        "creation",
        "death",
        "journal",
        "kept",
        "lanes",
        "object_id",
        "options",
        "restarts",
        "state",
        "under_way",
        "worker",
    )

    def __init__(self, creation: Task, options: ActorOptions) -> None:
        self.actor_id = ActorId(creation.task_id)
        self.object_id: ObjectId = actor_object_id(self.actor_id)
        self.options = options
        self.creation = creation
        self.state = PENDING
        self.worker: Worker | None = None
        self.restarts = 0
        self.lanes: dict[ClientId, deque[Task]] = {}
        self.kept: tuple[ObjectEntry, ...] = ()
        self.death: ObjectValue | None = None
        self.under_way = UnderWay(options.slots) if options.is_concurrent else None
        self.journal: Journal | None = None

    def move(self, state: int) -> None:
        """Put the actor into `state`. Raises InternalError when the table forbids it."""
        if state not in LEGAL[self.state]:
            names = f"{ActorState(self.state).name} -> {ActorState(state).name}"
            raise InternalError(f"{names} is no move of actor {self.options.class_name} {self.actor_id.hex()}")
        self.state = state

    @property
    def may_restart(self) -> bool:
        """Whether its process may die once more."""
        return self.options.max_restarts < 0 or self.restarts < self.options.max_restarts

    @property
    def takes_calls(self) -> bool:
        """Whether calls may be sent to its process now."""
        worker = self.worker
        is_there = self.state == ALIVE or (self.journal is not None and self.journal.is_replaying)
        # While calls are on their way back from it, others would overtake them.
        return is_there and worker is not None and not worker.ending and not worker.returning
