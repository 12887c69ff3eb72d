"""Placement groups: bundles of resources, reserved together and all at once, until the group is removed.

    created ─> PENDING ─> CREATED ─> REMOVED
                  └─────────────────────^

A group is made by a task (see `model.placement`), which waits in a queue like any other, by age and with the same
right to have kept for it what becomes free. When its turn comes the node takes the resources and has the group's own
instead. Queues of what runs in a group are closed while it is pending.

A group lives until somebody removes it or the driver that created it has left, unless it is detached. Then what runs in
it ends, and its resources are given back when the last process that had some has gone. A record stays as long as that
driver, so that `ready()` and later tasks are told what became of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cellray.core import actor_failures, failures
from cellray.core.accelerators import GPU, Devices, DeviceTable
from cellray.core.actor_names import namespace_of
from cellray.core.tasks import Refusal
from cellray.core.transitions import FINISHED
from cellray.ids import GroupId, ObjectId, TaskId, return_object_id
from cellray.model.command import Warn
from cellray.model.fact import GroupRemoved, TaskFinished
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.placement import (
    GroupOptions,
    GroupState,
    resources_in,
    resources_of,
    sum_of,
)
from cellray.model.task import RESOURCE_UNITS, Resources, TaskTemplate

if TYPE_CHECKING:
    from cellray.core.actors import Actors
    from cellray.core.clients import Client
    from cellray.core.dispatcher import Dispatcher
    from cellray.core.objects import ObjectEntry, ObjectTable
    from cellray.core.outbox import Outbox
    from cellray.core.resources import ResourcePool
    from cellray.core.task_table import TaskTable
    from cellray.core.tasks import Job, Task, Template
    from cellray.core.workers import WorkerTable

PENDING, CREATED, REMOVED = "PENDING", "CREATED", "REMOVED"


class Group:
    """One placement group. `devices` are the GPUs of each bundle; `templates` those of what is to run in it.

    `refusal` says why nothing can run in it, now or ever; `kept` is the object behind `ready()`.
    """

    __slots__ = ("creation", "devices", "group_id", "kept", "namespace", "options", "refusal", "state", "templates")

    def __init__(self, creation: Task, options: GroupOptions, namespace: str) -> None:
        self.group_id = GroupId(creation.task_id)
        self.options = options
        self.namespace = namespace
        self.creation = creation
        self.state = PENDING
        self.refusal: Refusal | None = None
        self.devices: list[Devices] = []
        self.templates: list[Template] = []
        self.kept: tuple[ObjectEntry, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return self.options.name or "the placement group"

    @property
    def all_devices(self) -> Devices:
        """The GPUs of all bundles."""
        return tuple(each for devices in self.devices for each in devices)

    @property
    def object_id(self) -> ObjectId:
        """What the creation returns."""
        return return_object_id(TaskId(self.group_id), 0)


class PlacementGroups:
    """The groups of one node. `leaving` are removed ones whose resources are not back yet."""

    def __init__(
        self, tasks: TaskTable, objects: ObjectTable, workers: WorkerTable, pool: ResourcePool, outbox: Outbox
    ) -> None:
        self.known: dict[GroupId, Group] = {}
        self.leaving: dict[Group, None] = {}
        self._tasks = tasks
        self._objects = objects
        self._workers = workers
        self._pool = pool
        self._outbox = outbox

    def infeasible(self, spec: TaskTemplate) -> str:
        """Why a group of this kind can never be; empty when it can."""
        assert spec.group is not None, "the template of a group's creation"
        if spec.group.strategy == "STRICT_SPREAD" and len(spec.group.bundles) > 1:
            return failures.group_infeasible_text(spec.name, len(spec.group.bundles))
        gpus = self._pool.total.get(GPU, 0) // RESOURCE_UNITS
        text = failures.infeasible_text(spec.name, spec.resources, self._pool)
        if not text and DeviceTable(gpus).find_each(_gpus_of(spec.group.bundles)) is None:
            return failures.gpus_infeasible_text(spec.name, spec.group.bundles, gpus)
        return text

    def submitted(self, task: Task, client: Client) -> ObjectValue | None:
        """A creation was submitted; why it fails at once, or None. What it returns is kept for those who ask later
        whether the group is ready."""
        options = task.template.spec.group
        assert options is not None, "the creation of a group"
        group = Group(task, options, options.namespace or namespace_of(client))
        group.refusal = task.template.refusal
        if group.refusal is None and self._has_name(options.name, group.namespace):
            text = f"There is a placement group {options.name!r} already. Remove it first, or choose another name."
            group.refusal = Refusal(text, failures.unschedulable(text))
        self.known[group.group_id] = group
        group.kept = self._objects.pin((group.object_id,))
        if group.refusal is None:
            return None
        group.state = REMOVED
        self._outbox.send(client, Warn(group.refusal.summary))
        return group.refusal.value

    def _has_name(self, name: str, namespace: str) -> bool:
        named = [group for group in self.known.values() if group.options.name and group.state != REMOVED]
        return any((group.options.name, group.namespace) == (name, namespace) for group in named)

    def demand_of(self, spec: TaskTemplate) -> tuple[Resources, Refusal | None]:
        """What tasks of a template take that are to run in a group, and why they cannot, if so."""
        assert spec.placement is not None, "a template of a group"
        group_id = spec.placement.group_id
        group = self.known.get(group_id)
        if group is None:
            return (), _removed(spec, group_id)
        demand = resources_in(spec.resources, spec.placement)
        if group.refusal is None:
            index = spec.placement.bundle
            bundles = group.options.bundles if index < 0 else group.options.bundles[index : index + 1]
            if not any(_fits(spec.resources, dict(bundle)) for bundle in bundles):
                text = failures.misfit_text(spec.name, spec.resources, spec.placement.bundle, group.options.bundles)
                return demand, Refusal(text, failures.unschedulable(text))
        return demand, group.refusal

    def enroll(self, template: Template) -> None:
        """A template whose tasks run in a group: its queue is closed while the group is pending."""
        placement = template.spec.placement
        group = self.known.get(placement.group_id) if placement is not None else None
        if group is not None:
            group.templates.append(template)
            template.queue.is_closed = group.state == PENDING

    def fits(self, task: Task) -> bool:
        """Whether the resources of a group that is to be created are free, and each bundle finds its GPUs."""
        bundles = self.known[GroupId(task.task_id)].options.bundles
        return self._pool.fits(sum_of(bundles)) and self._devices_for(bundles) is not None

    def create(self, task: Task, at: float) -> None:
        """A creation's turn has come, and it fits."""
        group = self.known[GroupId(task.task_id)]
        bundles, pool = group.options.bundles, self._pool
        group.devices = self._devices_for(bundles) or []
        pool.acquire(sum_of(bundles))
        pool.devices.take(sum_of(bundles), group.all_devices)
        pool.add(resources_of(bundles, group.group_id))
        if group.all_devices:
            pool.devices.open_account(f"{GPU}_group_{group.group_id.hex()}", group.all_devices)
            for index, devices in enumerate(group.devices):
                if devices:
                    pool.devices.open_account(f"{GPU}_group_{index}_{group.group_id.hex()}", devices)
        group.state = CREATED
        for template in group.templates:
            template.queue.is_closed = False
        value = ObjectValue(ValueKind.INLINE, task.spec.args)
        self._outbox.facts.append(TaskFinished(task.task_id, at, at, (value,)))
        self._tasks.finish_here(task, value, at)

    def ended_badly(self, task: Task) -> None:
        """A creation failed or was cancelled."""
        group = self.known.get(GroupId(task.task_id))
        if group is not None and group.creation is task:
            group.state = REMOVED
            if group.refusal is None:
                group.refusal = Refusal(
                    f"{group.name} was not created", failures.group_not_created(group.name, group.group_id)
                )
            for template in group.templates:
                template.refuse(group.refusal)

    def remove(self, fact: GroupRemoved, actors: Actors, dispatcher: Dispatcher, at: float) -> None:
        """Somebody removed a group. What runs in it ends, what was to run in it fails."""
        group = self.known.get(fact.group_id)
        if group is not None and group.state != REMOVED:
            self._remove(group, actors, dispatcher, at)

    def end_job(self, job: Job, actors: Actors, dispatcher: Dispatcher, at: float) -> None:
        """A driver has left: its groups end, but for detached ones."""
        for group in [group for group in self.known.values() if group.creation.job is job]:
            if not group.options.detached and group.state != REMOVED:
                self._remove(group, actors, dispatcher, at)
        self._forget()

    def settle(self) -> None:
        """Take back the resources of removed groups of which no process has any more."""
        leases = [worker.lease for worker in self._workers.workers.values() if worker.lease is not None]
        for group in list(self.leaving):
            queues = {id(template.queue) for template in group.templates}
            if not any(id(lease) in queues for lease in leases):
                self._give_back(group)
                del self.leaving[group]
        self._forget()

    def states(self) -> tuple[GroupState, ...]:
        """For whoever asks."""
        return tuple(
            GroupState(group.group_id, replace(group.options, namespace=group.namespace), group.state)
            for group in self.known.values()
        )

    def _remove(self, group: Group, actors: Actors, dispatcher: Dispatcher, at: float) -> None:
        if group.state == CREATED:
            self.leaving[group] = None
        group.state = REMOVED
        group.refusal = Refusal(f"{group.name} was removed", failures.group_not_created(group.name, group.group_id))
        if group.creation.state < FINISHED:
            self._tasks.fail(group.creation, group.refusal.value, group.refusal.summary, at)
        for template in group.templates:
            template.refuse(_removed(template.spec, group.group_id))
        mine = {id(template) for template in group.templates}
        for actor in list(actors.known.values()):
            if id(actor.creation.template) in mine:
                actors.end(actor, *actor_failures.group_removed(actor.options, group.group_id), at)
        for worker in self._workers.workers.values():
            if worker.actor is None and worker.queue and id(worker.queue[0].template) in mine:
                dispatcher.abandon(worker, "its placement group was removed")
        for task in [task for task in self._tasks.tasks.values() if id(task.template) in mine]:
            if task.state < FINISHED:
                name = task.template.spec.name
                self._tasks.fail(task, failures.group_removed(name, group.group_id), "its group was removed", at)
        for template in group.templates:
            self._tasks.registry.drop_queue(template.queue)

    def _devices_for(self, bundles: tuple[Resources, ...]) -> list[Devices] | None:
        return self._pool.devices.find_each(_gpus_of(bundles))

    def _give_back(self, group: Group) -> None:
        demand = sum_of(group.options.bundles)
        names = resources_of(group.options.bundles, group.group_id)
        for name, _ in names:
            self._pool.devices.close_account(name)
        self._pool.remove(names)
        self._pool.release(demand)
        self._pool.devices.give_back(demand, group.all_devices)

    def _forget(self) -> None:
        """Drop the records of removed groups whose drivers have left."""
        for group in list(self.known.values()):
            if group.state == REMOVED and group.creation.job.ended and group not in self.leaving:
                del self.known[group.group_id]
                for entry in group.kept:
                    self._objects.unpin(entry)


def _gpus_of(bundles: tuple[Resources, ...]) -> list[int]:
    return [dict(bundle).get(GPU, 0) for bundle in bundles]


def _fits(demand: Resources, bundle: dict[str, int]) -> bool:
    return all(bundle.get(name, 0) >= units for name, units in demand)


def _removed(spec: TaskTemplate, group_id: GroupId) -> Refusal:
    value = failures.group_removed(spec.name, group_id, actor=spec.actor is not None)
    return Refusal(f"{spec.name}: its placement group was removed", value)
