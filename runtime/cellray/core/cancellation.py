"""Cancelling: at once for tasks that have not been sent to a worker, by interrupting those that have.

An interrupted task that has not ended `cancel_grace_s` later has its worker killed; one cancelled by force, at once. An
actor's process is never killed for a cancelled call: its state is worth more.
"""

from __future__ import annotations

from cellray.config import Config
from cellray.core.actor_journal import REPLAYER
from cellray.core.outbox import Outbox
from cellray.core.task_table import TaskTable
from cellray.core.tasks import Cancel, Job, Task
from cellray.core.transitions import ASSIGNED, FINISHED
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import short_task_id
from cellray.model.command import InterruptTask
from cellray.model.fact import CancelRequested


class Cancellation:
    """Carries out requests to cancel tasks, and the end of jobs."""

    def __init__(self, tasks: TaskTable, workers: WorkerTable, outbox: Outbox, config: Config) -> None:
        self._tasks = tasks
        self._workers = workers
        self._outbox = outbox
        self._grace_s = config.cancel_grace_s

    def request(self, fact: CancelRequested, at: float) -> None:
        """Somebody asks; tasks that have ended, or that are not known, are passed over."""
        cancel = Cancel(at, fact.force, fact.recursive, fact.reason)
        for task_id in fact.task_ids:
            task = self._tasks.tasks.get(task_id)
            if task is not None:
                for each in descendants(task) if fact.recursive else [task]:
                    self._cancel(each, cancel)

    def end_job(self, job: Job, reason: str, at: float) -> None:
        """All that the job has under way ends, and what these tasks submit from now on too."""
        job.ended = True
        cancel = Cancel(at, False, True, reason)
        for task in [task for task in self._tasks.tasks.values() if task.job is job and not _outlives_job(task)]:
            self._cancel(task, cancel)
        self._tasks.end_job(job)

    def expire(self, at: float) -> None:
        """Kill workers whose running task was cancelled too long ago."""
        for worker in self._workers.workers.values():
            if worker.queue and not worker.ending:
                head = worker.queue[0]
                if worker.actor is None and head.cancel is not None and at - head.cancel.at >= self._grace_s:
                    self._kill(
                        worker, f"task {short_task_id(head.task_id)} went on for {self._grace_s:g} s after its cancel"
                    )

    def refusal(self, job: Job, parent: Task | None) -> str:
        """Why what `parent` submits now is cancelled at once; empty when it is not."""
        if job.ended:
            return "its driver has left"
        if parent is not None and parent.cancel is not None and parent.cancel.recursive:
            return parent.cancel.reason or "the task that submitted it is being cancelled"
        return ""

    def _cancel(self, task: Task, cancel: Cancel) -> None:
        if task.state >= FINISHED or task.owner_id == REPLAYER:
            return  # what runs again has ended before
        if task.state != ASSIGNED:
            self._tasks.cancel(task, cancel.reason, cancel.at)
            return
        worker = task.worker
        assert worker is not None, "an assigned task has a worker"
        is_first = task.cancel is None
        if task.cancel is None or (cancel.force and not task.cancel.force):
            task.cancel = cancel
        if cancel.force and worker.queue[0] is task and worker.actor is None:
            self._kill(worker, f"task {short_task_id(task.task_id)} was cancelled by force")
        elif is_first:
            self._outbox.send(worker, InterruptTask(task.task_id))

    def _kill(self, worker: Worker, reason: str) -> None:
        if not worker.ending:
            worker.ending = True
            self._workers.settle(worker)
            self._outbox.kill(worker.client_id, reason)


def _outlives_job(task: Task) -> bool:
    """Whether the task creates a detached actor or placement group."""
    created = task.template.spec.actor or task.template.spec.group
    return created is not None and created.detached


def descendants(task: Task) -> list[Task]:
    """The task and all tasks below it that are known, parents first."""
    found = [task]
    for each in found:
        if each.children:
            found.extend(each.children)
    return found
