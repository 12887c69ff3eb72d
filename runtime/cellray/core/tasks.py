"""The records of tasks, and of what tasks share: their template and their job."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cellray.core.transitions import WAITING
from cellray.ids import ClientId, JobId, TaskId
from cellray.model.object import ObjectValue
from cellray.model.task import TaskSpec, TaskTemplate

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.blocks import Block
    from cellray.core.objects import ObjectEntry
    from cellray.core.ready_queue import ReadyQueue
    from cellray.core.workers import Worker

MEAN_WEIGHT = 0.2
"""Weight of the newest run time in a template's exponential average."""


class Cancel(NamedTuple):
    """A request to cancel a task that is with a worker."""

    at: float
    force: bool
    recursive: bool
    reason: str


class Job:
    """One driver's tasks. `live` counts those that are not final; the record goes when the job ended and it is 0."""

    __slots__ = ("client_id", "ended", "job_id", "live", "namespace", "root_task_id")

    def __init__(self, client_id: ClientId, job_id: JobId, root_task_id: TaskId, namespace: str = "") -> None:
        self.client_id = client_id
        self.job_id = job_id
        self.root_task_id = root_task_id
        # Without a name it is one of the job's own, as in Ray: nobody else finds its actors.
        self.namespace = namespace or root_task_id.hex()
        self.live = 0
        self.ended = False


NOBODY = Job(ClientId(0), JobId(b""), TaskId(b""))
"""The job of tasks whose driver is not known."""
NOBODY.ended = True


class Refusal(NamedTuple):
    """Why tasks cannot run here at all: one sentence, and the value that their returns get."""

    summary: str
    value: ObjectValue


class Template:
    """A registered template: its queue, and what its tasks cost. `mean_s` is negative until one has finished.

    `is_special` when its tasks are no ordinary ones: they cannot run here, create actors or placement groups, call
    actors, or are generators. `is_call` when they call actors and are nothing else of these.
    """

    __slots__ = ("is_call", "is_special", "mean_s", "num_returns", "queue", "refusal", "spec")

    def __init__(self, spec: TaskTemplate, queue: ReadyQueue, refusal: Refusal | None = None) -> None:
        self.spec = spec
        self.queue = queue
        self.refusal = refusal
        self.is_special = (
            refusal is not None
            or bool(spec.method)
            or spec.actor is not None
            or spec.group is not None
            or spec.stream is not None
        )
        self.is_call = bool(spec.method) and refusal is None and spec.stream is None
        self.num_returns = spec.num_returns
        self.mean_s = -1.0

    def refuse(self, refusal: Refusal) -> None:
        """From now on its tasks cannot run here."""
        self.refusal = refusal
        self.is_special = True
        self.is_call = False

    def observe(self, run_s: float) -> None:
        """A task of this template ran for `run_s`."""
        if run_s < 0.0:
            run_s = 0.0
        mean = self.mean_s
        self.mean_s = run_s if mean < 0.0 else mean + MEAN_WEIGHT * (run_s - mean)

    def may_retry(self, attempt: int) -> bool:
        """Whether one more attempt after number `attempt` (from 0) is allowed; a negative limit means always."""
        return self.spec.max_retries < 0 or attempt < self.spec.max_retries


class Task:
    """One task that is not final, or is final but has descendants that are not.

    `pinned` are the objects that it keeps alive: its dependencies in their order, then what its arguments contain.
    `orphans` are objects that a dead worker held while it ran this task: a retry will submit and put them again; and
    returns that an earlier run has made.
    `views` are those of its dependencies that lie in shared memory: pinned there while `worker` has it, before that
    staged. `actor` is the one that a call is for.
    """

    __slots__ = (
        "actor",
        "attempt",
        "cancel",
        "children",
        "job",
        "missing",
        "notes",
        "order",
        "orphans",
        "owner_id",
        "parent",
        "pinned",
        "returns",
        "spec",
        "state",
        "submitted_at",
        "task_id",
        "template",
        "views",
        "worker",
    )

    def __init__(
        self,
        task_id: TaskId,
        spec: TaskSpec,
        template: Template,
        owner_id: ClientId,
        job: Job,
        parent: Task | None,
        order: int,
        submitted_at: float,
        returns: tuple[ObjectEntry, ...],
    ) -> None:
        self.task_id = task_id
        self.spec = spec
        self.template = template
        self.owner_id = owner_id
        self.job = job
        self.parent = parent
        self.order = order
        self.submitted_at = submitted_at
        self.returns = returns
        self.state = WAITING
        self.missing = 0
        self.attempt = 0
        self.worker: Worker | None = None
        self.actor: Actor | None = None
        self.pinned: tuple[ObjectEntry, ...] = ()
        self.orphans: tuple[ObjectEntry, ...] = ()
        self.views: tuple[Block, ...] = ()
        self.children: dict[Task, None] | None = None
        self.cancel: Cancel | None = None
        self.notes: tuple[str, ...] = ()
