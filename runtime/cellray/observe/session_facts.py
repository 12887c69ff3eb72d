"""What the log says of the session, its nodes, workers and jobs, entered into the fold's books."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cellray.model import fact as told

if TYPE_CHECKING:
    from cellray.observe.fold import LogFold


class SessionFacts:
    """The handlers of one fold."""

    def __init__(self, fold: LogFold) -> None:
        self._fold = fold
        self._queues = fold.queues

    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """What to call for each kind of fact."""
        return {
            told.SessionStarted: self._on_session_started,
            told.SessionEnded: self._on_session_ended,
            told.NodeJoined: self._on_node_joined,
            told.WorkerStarted: self._on_worker_started,
            told.WorkerExited: self._on_worker_exited,
            told.WorkerBlocked: self._on_worker_blocked,
            told.WorkerUnblocked: self._on_worker_unblocked,
            told.JobStarted: self._on_job_started,
            told.JobEnded: self._on_job_ended,
            told.LogForgotten: self._on_log_forgotten,
        }

    def _on_session_started(self, fact: told.SessionStarted) -> None:
        fold = self._fold
        if fact.session_id == fold.session_id:
            return
        self._fold.end_tasks(list(self._fold.tasks.values()), fact.at, "the session before was lost")
        self._queues.clear(fact.at)
        fold.end_actors(fact.at, "the session before was lost")
        fold.session_id, fold.session_started_at, fold.session_ended_at = fact.session_id, fact.at, 0.0
        self._fold.ledger.complete = self._fold.facts == 1
        self._fold.note_time(fact.at)

    def _on_session_ended(self, fact: told.SessionEnded) -> None:
        self._fold.session_ended_at = fact.at
        self._fold.end_tasks(list(self._fold.tasks.values()), fact.at, f"session ended: {fact.reason}")
        self._queues.clear(fact.at)
        self._fold.end_actors(fact.at, f"session ended: {fact.reason}")
        self._fold.registry.end_jobs(fact.at, fact.reason)
        self._fold.note_time(fact.at)

    def _on_log_forgotten(self, fact: told.LogForgotten) -> None:
        self._fold.forgotten_records += fact.last - fact.first + 1
        self._fold.note_time(fact.at)

    def _on_node_joined(self, fact: told.NodeJoined) -> None:
        known = self._fold.nodes.get(fact.node_id)
        if known is not None and known.pid != fact.pid:
            self._queues.forget_node(fact.node_id)
        self._fold.nodes[fact.node_id] = fact
        self._fold.note_time(fact.at)

    def _on_worker_started(self, fact: told.WorkerStarted) -> None:
        self._queues.begin((self._fold.node_id, fact.worker_id), fact.at, fact.pid)
        self._fold.note_time(fact.at)

    def _on_worker_exited(self, fact: told.WorkerExited) -> None:
        self._queues.exit((self._fold.node_id, fact.worker_id), fact)
        self._fold.note_time(fact.at)

    def _on_worker_blocked(self, fact: told.WorkerBlocked) -> None:
        worker = self._fold.workers.get((self._fold.node_id, fact.worker_id))
        if worker is not None:
            worker.blocked = True
        self._fold.note_time(fact.at)

    def _on_worker_unblocked(self, fact: told.WorkerUnblocked) -> None:
        worker = self._fold.workers.get((self._fold.node_id, fact.worker_id))
        if worker is not None:
            worker.blocked = False
        self._fold.note_time(fact.at)

    def _on_job_started(self, fact: told.JobStarted) -> None:
        self._fold.registry.add_job(fact, self._fold.node_id)
        self._fold.note_time(fact.at)

    def _on_job_ended(self, fact: told.JobEnded) -> None:
        job = self._fold.jobs.get(fact.job_id)
        if job is not None:
            # Its tasks end one after another, as the core tells; detached actors go on.
            job.ended_at, job.end_reason = fact.at, fact.reason
        self._fold.note_time(fact.at)
