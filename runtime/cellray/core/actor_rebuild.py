"""Actors that lose no state when their process dies: constructor again, newest checkpoint, the calls since once more.

What others see of the actor happens once. Calls that run again are records of their own under their old ids: what they
return is nobody's (a result that exists stays as it is), and what they submit has been submitted: it does not run
again, and they get its old results. Calls that were under way when the process died have no results yet, and get them
from the new one; the first of them, which may be what killed the process, is sent alone, and fails when its retries are
used up.

A checkpoint that cannot be restored is given up for the one before, or for the constructor and all calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cellray.core import actor_failures, failures
from cellray.core.actor_journal import REBUILDS_MAX, REPLAYER, Journal
from cellray.core.actor_record import ALIVE, DEAD, RESTARTING
from cellray.core.call_queue import CallQueue
from cellray.core.checkpoint_files import CheckpointFiles
from cellray.core.objects import ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.transitions import FINISHED, READY
from cellray.ids import TaskId, child_task_id, children_prefix, item_object_id, return_object_ids
from cellray.model import fact as f
from cellray.model.actor import Checkpoint
from cellray.model.object import ObjectValue, ValueKind, decode_failure

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.clients import Client
    from cellray.core.histories import Histories
    from cellray.core.task_table import TaskTable
    from cellray.core.tasks import Job, Task
    from cellray.core.workers import Worker
    from cellray.model.history import HistoryFound, TaskHistory

Warner = Callable[[str, "Job"], None]


class Rebuilds:
    """Keeps the journals of actors that recover, and runs them when a process has died."""

    def __init__(
        self,
        tasks: TaskTable,
        objects: ObjectTable,
        calls: CallQueue,
        outbox: Outbox,
        files: CheckpointFiles,
        histories: Histories,
        warn: Warner,
    ) -> None:
        self._histories = histories
        self._warn = warn
        self._tasks = tasks
        self._objects = objects
        self._calls = calls
        self._outbox = outbox
        self._files = files
        self._warned: set[tuple[str, str]] = set()

    # What happens in the life of an actor

    def journal_of(self, task: Task) -> Journal | None:
        """The journal that what the task submits is noted in: it is a recorded call, or a constructor."""
        if task.template.spec.recorded:
            return task.actor.journal if task.actor is not None else None
        if task.template.spec.actor is not None and task.template.spec.actor.recovers:
            actor = self._tasks.actors.known.get(task.task_id)  # type: ignore[call-overload]
            return actor.journal if actor is not None else None
        return None

    def submitting(self, fact: f.TasksSubmitted, task: Task, journal: Journal, client: Client) -> f.TasksSubmitted:
        """What is new of what a call, or a constructor, submits; the rest it gets the results of, as they are."""
        fresh = []
        prefix = children_prefix(task.task_id)
        for spec in fact.tasks:
            if journal.has_submitted(task, spec.index):
                template = self._tasks.registry.of(spec)
                self._tasks.submissions.submit_again(child_task_id(prefix, spec.index), spec, template, client, task)
            else:
                fresh.append(spec)
        return fact if len(fresh) == len(fact.tasks) else f.TasksSubmitted(fact.parent_id, fact.at, fresh)

    def submitted(self, fact: f.TasksSubmitted, task: Task, journal: Journal) -> None:
        """What a call, or a constructor, has submitted: it keeps the results, but lets an actor end as it would."""
        prefix = children_prefix(task.task_id)
        children = []
        for spec in fact.tasks:
            template = self._tasks.registry.of(spec)
            count = 0 if template.spec.actor is not None else template.num_returns
            children.append((spec.index, return_object_ids(child_task_id(prefix, spec.index), count)))
        journal.submitted(task, children)

    def yielded(self, fact: f.ItemsYielded, task: Task) -> None:
        """A generator that a call, or a constructor, has submitted has yielded items: the call keeps them too."""
        parent = task.parent
        if parent is not None and parent.state < FINISHED and parent.template.is_special:
            journal = self.journal_of(parent)
            if journal is not None:
                ids = [
                    item_object_id(task.task_id, index) for index in range(fact.index, fact.index + len(fact.values))
                ]
                journal.keep_for(parent, ids)

    def executed(self, task: Task) -> None:
        """A recorded call has run to its end."""
        if task.actor is not None and task.actor.journal is not None:
            task.actor.journal.ended(task)

    def checkpoint_taken(self, fact: f.CheckpointTaken, worker: Worker, at: float) -> None:
        """An actor's process has made a checkpoint of what it has told before."""
        actor = worker.actor
        if actor is None or actor.journal is None or actor.state == DEAD:
            self._files.drop([fact.file] if fact.file else [])
            return
        refusal = self._files.add(actor, fact.file, fact.state.object_bytes) if fact.file else ""
        if refusal:
            failed = f.CheckpointFailed(actor.actor_id, at, fact.task_id, refusal)
            self._outbox.facts.append(failed)
            self.checkpoint_failed(failed, worker)
            return
        checkpoint = Checkpoint(actor.journal.position, fact.task_id, fact.state, fact.file)
        self._files.drop(actor.journal.keep(checkpoint))
        self._outbox.facts.append(f.ActorCheckpointed(actor.actor_id, at, checkpoint))

    def checkpoint_failed(self, fact: f.CheckpointFailed, worker: Worker) -> None:
        """A checkpoint could not be made: calls go on, the older ones stay."""
        actor = worker.actor
        if actor is not None:
            text = (
                f"A checkpoint of an actor of class {actor.options.class_name} could not be made: {fact.reason}. The "
                "actor goes on; after a crash it is rebuilt from an older one, or from the start, by more calls."
            )
            self._warn_once("make", actor, text)

    # What happens when its process dies

    def worker_left(
        self, actor: Actor, journal: Journal, worker: Worker, left: list[Task], death: str, at: float
    ) -> None:
        """The process of an actor that may restart is gone, and had `left` to do; its constructor runs again."""
        if actor.state == ALIVE:
            actor.move(RESTARTING)
        elif journal.falls_back:
            journal.falls_back = False
        else:
            journal.failures += 1
        journal.is_replaying = False
        journal.orphans += self._objects.hand_over(worker)
        for task in [*left, *actor.lanes.pop(REPLAYER, ())]:
            if task.owner_id == REPLAYER and task.state < FINISHED:
                self._tasks.end_quietly(task, at)
        mine = [task for task in left if task.owner_id != REPLAYER]
        for task in reversed(mine[1:]):
            self._tasks.give_back(task, at)
        if mine:
            self._settle_head(actor, journal, mine[0], death, at)
        self._look_up(actor, journal)

    def _look_up(self, actor: Actor, journal: Journal) -> None:
        """Ask the log for the calls that are to run again, while the constructor runs."""
        journal.question += 1
        question = journal.question
        calls = journal.since(journal.restored_calls)
        journal.histories = None if calls else {}

        def then(fact: HistoryFound, _at: float) -> None:
            if journal.question == question:
                journal.histories = fact.found
                journal.lost = fact.error and f"the event log cannot be read: {fact.error}"
                self._calls.changed[actor] = None

        if calls:
            self._histories.ask(calls, then)

    def _settle_head(self, actor: Actor, journal: Journal, task: Task, death: str, at: float) -> None:
        """The call that was probably running."""
        if task.cancel is not None:
            self._tasks.cancel(task, task.cancel.reason, at)
        elif task.template.may_retry(task.attempt):
            journal.suspect = task
            self._tasks.retry(task, death, at)
        else:
            self._tasks.fail(task, actor_failures.unavailable(actor.options, task, death), death, at)

    def falls_back(self, actor: Actor, error: ObjectValue, at: float) -> bool:
        """The constructor, or the checkpoint after it, has failed in a new process: whether there is another way."""
        journal = actor.journal
        newest = journal.newest if journal is not None else None
        failure = decode_failure(error.data) if error.kind == ValueKind.FAILURE else None
        if journal is None or newest is None or failure is None or "restore_failed" not in failure.fields:
            return False
        reason = failure.fields["restore_failed"]
        journal.reasons.append(f"its checkpoint after {newest.calls} calls could not be restored: {reason}")
        self._outbox.facts.append(f.CheckpointFailed(actor.actor_id, at, newest.task_id, journal.reasons[-1]))
        for file in journal.give_up_newest():
            self._files.leave(file)
        older = journal.newest
        if older is None and not journal.reaches_constructor:
            return False
        way = f"the one before, after {older.calls} calls," if older is not None else "its constructor and all calls"
        text = (
            f"An actor of class {actor.options.class_name} ({actor.actor_id.hex()}) could not be restored from its "
            f"checkpoint after {newest.calls} calls: {reason}. It is rebuilt from {way} instead."
        )
        self._warn_once("restore", actor, text)
        journal.falls_back = True
        return True

    def advance(self, actor: Actor, at: float) -> bool:
        """The constructor has returned, or the log has answered, or the process has nothing to do: whether the actor's
        state is there."""
        journal = actor.journal
        if journal is None or actor.state != RESTARTING:
            return True
        if not journal.is_replaying:
            if journal.histories is None or self._awaits_log(journal):
                return False
            self._begin_replay(actor, journal, journal.histories, at)
        assert actor.worker is not None, "its constructor has returned"
        if actor.worker.queue or REPLAYER in actor.lanes:
            return False
        journal.is_replaying = False
        journal.failures = 0
        journal.reasons.clear()
        journal.drop_orphans()
        return True

    def _awaits_log(self, journal: Journal) -> bool:
        """Whether calls that are to run again were submitted again too, and the log is yet to say that they have ended:
        that they need not run again does not hold for the actor's state."""
        tasks, held = self._tasks.tasks, self._tasks.holds.held
        return bool(held) and any(tasks.get(task_id) in held for task_id in journal.since(journal.restored_calls))

    def _begin_replay(self, actor: Actor, journal: Journal, histories: dict[TaskId, TaskHistory], at: float) -> None:
        journal.is_replaying = True
        journal.histories = None
        journal.position = journal.restored_calls
        replayed: list[TaskId] = []
        for number, task_id in enumerate(journal.since(journal.position), journal.position + 1):
            history = histories.get(task_id)
            if history is None or history.template is None:
                journal.lost = journal.lost or f"its call {number} is not in the event log any more"
                break
            if self._tasks.submissions.replay(history, history.template, actor, at):
                replayed.append(task_id)
        self._outbox.facts.append(f.ActorRestored(actor.actor_id, at, journal.position, replayed))
        self._calls.changed[actor] = None

    def take(self, actor: Actor, journal: Journal, may_go: Callable[[Task], bool]) -> list[Task]:
        """The calls that may be sent: those that run again before all others, the suspect alone."""
        if journal.is_replaying:
            return self._calls.take_lane(actor, REPLAYER, may_go)
        suspect = journal.suspect
        if suspect is not None and suspect.state < FINISHED:
            is_first = suspect.state == READY
            return self._calls.take_lane(actor, suspect.owner_id, may_go, limit=1) if is_first else []
        journal.suspect = None
        return self._calls.take_all(actor, may_go)

    def ended_badly(self, task: Task, error: ObjectValue) -> None:
        """A call that was to run again could not: what it needs is not there any more.

        One that has run and raised did so the first time too.
        """
        journal = task.actor.journal if task.actor is not None else None
        if journal is None or not journal.is_replaying or task.owner_id != REPLAYER:
            return
        if error.kind == ValueKind.FAILURE:
            why = failures.first_line(error)
        elif task.worker is None:
            why = "an argument of it was lost, and raised when it was made again"
        else:
            return
        journal.lost = f"{task.template.spec.name}, which was to run again: {why}"

    def given_up(self, actor: Actor) -> bool:
        """Whether processes died too often before the state was rebuilt."""
        return actor.journal is not None and actor.journal.failures >= REBUILDS_MAX

    def end(self, actor: Actor) -> None:
        """The actor is over for good."""
        if actor.journal is not None:
            actor.journal.close()
            self._files.retire(actor)

    def restarts_empty(self, actor: Actor) -> None:
        """An actor that does not recover restarts: say once for each class what it loses."""
        options = actor.options
        if options.forgets:
            return
        text = (
            f"The process of an actor of class {options.class_name} has died. It restarts with a fresh constructor "
            "call, and has lost its state. To keep it, define __checkpoint__(self), which returns the state, and "
            "__restore__(self, state), or create it with recover='replay', which runs its calls again. "
            "recover=False says that it has no state to lose."
        )
        self._warn_once("empty", actor, text)

    def _warn_once(self, what: str, actor: Actor, text: str) -> None:
        key = (what, actor.options.class_name)
        if key not in self._warned:
            self._warned.add(key)
            self._warn(text, actor.creation.job)
