"""Who holds a node's resources, as the log tells it: what asks for more than is free waits for these."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from cellray.ids import GroupId
from cellray.model.placement import resources_of
from cellray.model.task import Resources
from cellray.observe.fold import LogFold
from cellray.observe.records import FINISHED, TaskRecord, WorkerRecord


class Holding(NamedTuple):
    """What a task holds while it runs, an actor (by its creation) while it lives, a placement group while it exists."""

    holder: TaskRecord
    resources: Resources
    since: float


class NodeHoldings:
    """One node's resources at this point of the log; units are ten-thousandths."""

    def __init__(self, fold: LogFold, node_id: str) -> None:
        self.holdings = [*_groups(fold), *_workers(fold, node_id)]
        self.total: Counter[str] = Counter(dict(fold.nodes[node_id].resources) if node_id in fold.nodes else {})
        for group in _groups(fold):
            self.total.update(dict(_made_by(group.holder)))
        self.free = Counter(self.total)
        for holding in self.holdings:
            self.free.subtract(dict(holding.resources))

    def short_of(self, demand: Resources) -> Resources:
        """What of a demand is not free."""
        return tuple((name, units) for name, units in demand if self.free[name] < units)

    def holders_of(self, name: str) -> list[Holding]:
        """Who holds of a resource, the one that holds most first."""
        mine = [holding for holding in self.holdings if dict(holding.resources).get(name, 0)]
        return sorted(mine, key=lambda holding: (-dict(holding.resources)[name], holding.since))


def _workers(fold: LogFold, node_id: str) -> list[Holding]:
    actors = {actor.worker: actor.creation for actor in fold.actors.values() if actor.worker is not None}
    found = []
    for worker in fold.workers.values():
        if worker.exited_at or worker.key[0] != node_id:
            continue
        holder = actors.get(worker.key) or (worker.queue[0] if worker.queue else None)
        if holder is not None:
            found.append(Holding(holder, _held(worker, holder), holder.started_at or worker.started_at))
    return found


def _held(worker: WorkerRecord, holder: TaskRecord) -> Resources:
    """Who waits in `get` has lent its CPUs out."""
    resources = holder.template.resources
    return tuple(pair for pair in resources if not pair[0].startswith("CPU")) if worker.blocked else resources


def _groups(fold: LogFold) -> list[Holding]:
    return [
        Holding(record, record.template.resources, record.finished_at)
        for task_id in fold.placement_groups
        if (record := fold.tasks.get(task_id)) is not None and record.state == FINISHED
    ]


def _made_by(group: TaskRecord) -> Resources:
    return resources_of(group.template.bundles, GroupId(group.task_id))
