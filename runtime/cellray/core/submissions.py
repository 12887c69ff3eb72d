"""How tasks come into the table: submitted, again by a parent that runs again, or run again for what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core import actor_failures, dependencies, failures
from cellray.core.actor_journal import REPLAYER
from cellray.core.clients import Client
from cellray.core.objects import ObjectEntry, ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.tasks import Job, Task, Template
from cellray.core.transitions import FINISHED, READY, move, story
from cellray.ids import NODE, RETURN_0, ObjectId, TaskId, children_prefix, return_object_id
from cellray.model.fact import TaskRetried, TasksSubmitted
from cellray.model.task import TaskSpec, TaskTemplate

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.call_queue import Lane
    from cellray.core.task_table import TaskTable
    from cellray.model.history import TaskHistory

NO_CLIENT = Client(NODE)
"""Whose the results of calls are that run again."""
NO_CLIENT.alive = False


class Submissions:
    """The one way into a `TaskTable`, which it is a part of."""

    def __init__(self, table: TaskTable, objects: ObjectTable, outbox: Outbox) -> None:
        self._table = table
        self._objects = objects
        self._outbox = outbox
        self._order = 0
        # Batches of one parent mostly follow each other; the hash costs more than a whole task.
        self._prefix_of, self._prefix = TaskId(b""), b""

    def submit(self, fact: TasksSubmitted, client: Client, job: Job, parent: Task | None, refusal: str) -> None:
        """Take over a batch. A non-empty `refusal` cancels all of it: its job, or its parent, is at its end."""
        table = self._table
        specs = fact.tasks
        at = fact.at
        registry = table.registry
        tasks, entries, held = table.tasks, self._objects.entries, client.held
        template: Template | None = None
        last_template_id = -1
        kept: tuple[ObjectEntry, ...] = ()
        owner_id = client.client_id
        alive = client.alive
        prefix = self._prefix if fact.parent_id == self._prefix_of else self._prefix_for(fact.parent_id)
        # What it submitted before it ran again may have ended, and be forgotten here.
        may_have_ended = parent is not None and parent.attempt > 0
        lane: Lane | None = None
        for spec in specs:
            task_id: TaskId = prefix + spec.index.to_bytes(4, "big")  # type: ignore[assignment]
            if spec.template_id != last_template_id:
                last_template_id = spec.template_id
                template = registry.usable.get(last_template_id) or registry.of(spec)
            assert template is not None
            object_id: ObjectId = task_id + RETURN_0  # type: ignore[assignment]
            is_new = True
            if task_id in tasks or object_id in entries:
                if self._resubmitted(task_id, template, client):
                    continue
                is_new = False
                returns, kept = self._declare_again(task_id, template, client)
            elif template.num_returns == 1 and alive:
                entry = entries[object_id] = held[object_id] = ObjectEntry(object_id)
                entry.refs = 1
                entry.owner = client
                returns = (entry,)
            else:
                returns = self._declare(task_id, template.num_returns, client)
            self._order += 1
            task = Task(task_id, spec, template, owner_id, job, parent, self._order, at, returns)
            if kept:
                task.orphans, kept = kept, ()
            if is_new:  # what `_add` would do
                tasks[task_id] = task
                table.live += 1
                job.live += 1
                if parent is not None:
                    if parent.children is None:
                        parent.children = {}
                    parent.children[task] = None
            else:
                self._add(task)
            if refusal:
                if template.spec.stream is not None:
                    table.generators.begin(task, client)
                table.cancel(task, refusal, at)
            elif template.is_special:
                if template.is_call and not (spec.dependencies or may_have_ended):
                    if lane is None or lane.contained != spec.contained:
                        lane = table.actors.lane(spec.contained, client)
                    if lane is not None:
                        # What `_submit_special` would do, which takes three times as long.
                        lane.object.refs += 1
                        task.pinned = lane.pinned
                        task.actor = lane.actor
                        task.state = READY
                        lane.calls.append(task)
                        template.queue.count += 1
                        continue
                self._submit_special(task, template, client, at, may_have_ended)
            elif may_have_ended:
                self._attach(task, at, is_held=True)
            elif spec.dependencies or spec.contained:
                self._attach(task, at)
            else:
                task.state = READY
                template.queue.push(task)

    def run_again(self, task: Task, kept: tuple[ObjectId, ...], reason: str, at: float) -> None:
        """A task that had ended runs once more, as a new record. It keeps these of its objects until it has ended;
        unless it says so, they are its returns."""
        table = self._table
        task.orphans = self._objects.pin(kept)
        task.returns = task.returns or task.orphans
        self._add(task)
        self._outbox.facts.append(TaskRetried(task.task_id, task.attempt, at, failures.one_line(reason)))
        if task.template.spec.stream is not None:
            table.generators.begin_again(task)
        if task.template.refusal is not None:
            table.fail(task, task.template.refusal.value, task.template.refusal.summary, at)
        else:
            self._attach(task, at)

    def replay(self, call: TaskHistory, template_spec: TaskTemplate, actor: Actor, at: float) -> bool:
        """A call that had ended runs once more, for what it does to its actor.

        False when it need not: who called it runs again itself, and has submitted it anew.
        """
        table = self._table
        known = table.tasks.get(call.task_id)
        if known is not None and known.state < FINISHED:
            return False
        table.registry.register_template(template_spec)
        template, job = table.registry.of(call.spec), actor.creation.job
        returns, kept = self._declare_again(call.task_id, template, NO_CLIENT)
        task = Task(call.task_id, call.spec, template, REPLAYER, job, None, self.next_order(), at, returns)
        task.orphans = kept
        self._add(task)
        if template.spec.stream is not None:
            table.generators.begin_again(task)
        table.actors.calls.enroll(task, actor)
        self._attach(task, at)
        return True

    def submit_again(self, task_id: TaskId, spec: TaskSpec, template: Template, client: Client, parent: Task) -> None:
        """A call that runs again submits what it has submitted before: it gets the results, or why they are lost."""
        table = self._table
        if not client.alive or self._resubmitted(task_id, template, client):
            return
        for entry in self._declare(task_id, template.num_returns, client):
            if entry.value is None:  # only an actor is let go that others would keep
                is_actor = template.spec.actor is not None
                value = actor_failures.ended(task_id) if is_actor else failures.object_lost(entry.object_id)
                self._objects.seal(entry, value)
        if template.spec.stream is not None:
            of = parent
            ended = Task(task_id, spec, template, client.client_id, of.job, None, of.order, of.submitted_at, ())
            ended.state = FINISHED
            table.generators.read_again(ended, client)

    def task_id(self, parent_id: TaskId, index: int) -> TaskId:
        """The id of one of a parent's tasks."""
        prefix = self._prefix if parent_id == self._prefix_of else self._prefix_for(parent_id)
        return TaskId(prefix + index.to_bytes(4, "big"))

    def next_order(self) -> int:
        """The place of one more task among all."""
        self._order += 1
        return self._order

    def _prefix_for(self, parent_id: TaskId) -> bytes:
        self._prefix_of, self._prefix = parent_id, children_prefix(parent_id)
        return self._prefix

    def _submit_special(self, task: Task, template: Template, client: Client, at: float, may_have_ended: bool) -> None:
        """A task that cannot run here at all, a generator, the creation of an actor or placement group, or a call."""
        table = self._table
        spec = template.spec
        if spec.stream is not None:
            table.generators.begin(task, client)
        if spec.group is not None:
            error = table.groups.submitted(task, client)
        elif spec.actor is not None or spec.method:
            error = table.actors.submitted(task, client)
        else:
            error = None
        if error is not None:
            table.fail(task, error, failures.first_line(error), at)
        elif template.refusal is not None:
            table.fail(task, template.refusal.value, template.refusal.summary, at)
        else:
            self._attach(task, at, is_held=may_have_ended and spec.actor is None and spec.group is None)
            if spec.actor is not None:
                table.actors.attached(task)

    def _declare(self, task_id: TaskId, num_returns: int, client: Client) -> tuple[ObjectEntry, ...]:
        return tuple([self._objects.declare(return_object_id(task_id, i), client) for i in range(num_returns)])

    def _declare_again(
        self, task_id: TaskId, template: Template, client: Client
    ) -> tuple[tuple[ObjectEntry, ...], tuple[ObjectEntry, ...]]:
        """What the task returns, and what of it an earlier run has made: held until this one has ended, and expected of
        it."""
        returns = self._declare(task_id, template.num_returns, client)
        kept = self._objects.pin(tuple([entry.object_id for entry in returns if entry.value is not None]))
        self._table.expectations.note(task_id, [(entry.object_id, entry.value) for entry in kept])
        return returns, kept

    def _add(self, task: Task) -> None:
        table = self._table
        task_id = task.task_id
        known = table.tasks.get(task_id)
        if known is not None:
            self._supersede(known, task)
        table.tasks[task_id] = task
        table.live += 1
        task.job.live += 1
        if task.parent is not None:
            if task.parent.children is None:
                task.parent.children = {}
            task.parent.children[task] = None

    def _supersede(self, known: Task, task: Task) -> None:
        """A final task whose descendants are under way runs again: the new record takes its place in the tree."""
        assert known.state >= FINISHED, f"a task is under way twice. {story(known)}"
        task.children = known.children
        for child in task.children or ():
            child.parent = task
        task.parent = known.parent
        if known.parent is not None and known.parent.children is not None:
            del known.parent.children[known]

    def _resubmitted(self, task_id: TaskId, template: Template, client: Client) -> bool:
        """Whether a task that a re-executed parent submits again need not run: it is live, or its results exist."""
        table = self._table
        known = table.tasks.get(task_id)
        if known is not None and known.state < FINISHED:
            returns = known.returns
            if template.spec.stream is not None:
                table.generators.adopt(known, client)
        elif template.spec.stream is not None:
            return False  # which of its items are still there, nobody knows
        else:
            found = [self._objects.entries.get(return_object_id(task_id, i)) for i in range(template.num_returns)]
            returns = tuple([entry for entry in found if entry is not None])
            if not returns or len(returns) != template.num_returns:
                return False
        for entry in returns:
            self._objects.subscribe(entry, client)
        return True

    def _attach(self, task: Task, at: float, *, is_held: bool = False) -> None:
        """To its arguments; one that may have ended before (`is_held`) waits for the log too."""
        table = self._table
        error = dependencies.attach(task, self._objects)
        if error is not None:
            table.fail(task, error, "a dependency failed", at)
            return
        table.waiting += bool(task.missing)
        if is_held:
            table.holds.hold_for_log(task)
        elif not task.missing:
            move(task, READY)
            task.template.queue.push(task)
