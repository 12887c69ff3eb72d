"""Words for what an answer speaks of: tasks, actors, workers, those who asked for something, and events."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cellray.ids import TaskId, short_task_id
from cellray.model.task import RESOURCE_UNITS, Resources
from cellray.observe.fold import LogFold
from cellray.observe.records import ActorRecord, TaskRecord, WorkerKey
from cellray.observe.stories import Event
from cellray.observe.subjects import NodeKey
from cellray.observe.visual.format import count, data_size, duration


class Next(NamedTuple):
    """What an answer goes on with; an actor is named by its creation."""

    kind: Literal["task", "object", "actor"]
    key: NodeKey


class Named:
    """How one fold's things are called, at one moment."""

    def __init__(self, fold: LogFold, now: float) -> None:
        self.fold = fold
        self.now = now

    def task(self, record: TaskRecord) -> str:
        """`train (5f2a9c1e-17, In [3])`."""
        cell = record.template.cell
        where = f", In [{cell.execution_count}]" if cell is not None else ""
        return f"{record.template.name} ({short_task_id(record.task_id)}{where})"

    def actor(self, actor: ActorRecord) -> str:
        """`actor Counter (5f2a9c1e-0)`."""
        name = actor.creation.template.function.rpartition(".")[0] or actor.creation.template.name
        return f"actor {name.rpartition('.')[2]} ({short_task_id(actor.creation.task_id)})"

    def worker(self, key: WorkerKey | None) -> str:
        """`worker n1/7 (process 4711)`."""
        if key is None:
            return "no worker"
        known = self.fold.workers.get(key)
        return f"worker {node(key[0])}/{key[1]}" + (
            f" (process {known.pid})" if known is not None and known.pid else ""
        )

    def asker(self, task_id: TaskId | None) -> str:
        """Who asked: a task, or a driver."""
        if task_id is not None and task_id in self.fold.tasks:
            return self.task(self.fold.tasks[task_id])
        job = self.fold.drivers.get(task_id) if task_id is not None else None
        return f"the driver (process {job.pid})" if job is not None else "somebody outside of the program"

    def long(self, since: float) -> str:
        """How long something is so: `3.2 s`."""
        return duration(max(0.0, self.now - since))

    def event(self, event: Event) -> str:
        """One thing that happened, as half a sentence."""
        where = f" on {self.worker(event.worker)}" if event.worker is not None else ""
        match event.kind:
            case "retried":
                ran = f" after {duration(event.at - event.started_at)}" if event.started_at else ""
                return f"attempt {event.attempt + 1}{where} ended{ran}: {event.text}"
            case "returned":
                return f"{self.worker(event.worker)} gave it back before it had begun it"
            case "cancel_requested":
                below = " with all that it submitted" if event.recursive else ""
                said = f": {event.text}" if event.text else ""
                return f"{self.asker(event.asker)} asked to cancel it{below}{said}"
            case "died":
                return f"its process ended: {event.text}"
            case "kill_requested":
                return f"{self.asker(event.asker)} asked to kill it"
            case "exited":
                return "it said that it ends itself"
            case "restored":
                return f"its state was rebuilt as it was {event.text}"
            case "checkpoint_failed":
                return f"a checkpoint failed: {event.text}"
            case "lost":
                return f"its value was lost: {event.text}"
            case "reconstructed":
                return f"its value was there again: {event.text}"
            case "unrecoverable":
                return f"its value cannot be made again: {event.text}"


def node(node_id: str) -> str:
    """A node's id for people."""
    return node_id[:8]


def amounts(resources: Resources) -> dict[str, float]:
    """Exact resources as users write them."""
    return {name: units / RESOURCE_UNITS for name, units in resources}


def in_words(resources: Resources) -> str:
    """`2 CPU and 1.5 GB memory`."""
    shown = [
        f"{data_size(units / RESOURCE_UNITS)} {name}" if "memory" in name else f"{count(units / RESOURCE_UNITS)} {name}"
        for name, units in resources
    ]
    return " and ".join(shown) or "nothing"
