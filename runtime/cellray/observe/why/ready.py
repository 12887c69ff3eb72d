"""Why a task that has its arguments does not run: its turn, resources, a worker or its actor is wanting."""

from __future__ import annotations

from cellray.ids import TaskId
from cellray.model.placement import original_name
from cellray.model.task import RESOURCE_UNITS, Resources
from cellray.observe.records import RETRIED, ActorRecord, TaskRecord, WorkerRecord
from cellray.observe.why.answer import WaitsFor
from cellray.observe.why.holdings import Holding, NodeHoldings
from cellray.observe.why.links import Link, again, cause_of, waits_since
from cellray.observe.why.words import Named, Next, amounts, in_words, node

HOLDERS_TOLD = 3
PAUSES_FROM = 2
"""The attempt (from 0) before which the core pauses first, see `core/holds.py`."""


def explain_ready(named: Named, record: TaskRecord) -> Link:
    """Nothing but its turn, resources, a worker or its actor is wanting."""
    worker = named.fold.workers.get(record.worker) if record.queued and record.worker is not None else None
    if worker is not None:
        return _with_worker(named, record, worker)
    elsewhere = _argument_elsewhere(named, record)
    if elsewhere is not None:
        return elsewhere
    if record.template.calls:
        return _unsent_call(named, record)
    node_id = next(iter(named.fold.nodes), "")
    held = NodeHoldings(named.fold, node_id)
    short = held.short_of(record.template.resources)
    if short:
        return _short_of(named, record, node_id, held, short)
    since, demand = waits_since(named, record), record.template.resources
    if record.state == RETRIED and record.attempt >= PAUSES_FROM:
        text = f"has waited {named.long(since)} to run again: from its third attempt on it pauses before each, longer "
        text += f"every time{again(named, record)}"
        return cause_of(named, record, text, since, "pause", asked=amounts(demand)), None
    text = f"has waited {named.long(since)} for a worker process on node {node(node_id)}; what it asks for is free: "
    text += in_words(demand) + again(named, record)
    return cause_of(named, record, text, since, "worker", asked=amounts(demand)), None


def _with_worker(named: Named, record: TaskRecord, worker: WorkerRecord) -> Link:
    """It was sent, and something else runs before it."""
    since, head = waits_since(named, record), worker.queue[0]
    place = list(worker.queue).index(record)
    behind = f"behind {named.task(head)}" if place == 1 else f"as number {place} behind {named.task(head)}"
    where = "its actor" if record.actor else named.worker(worker.key)
    text = f"has waited {named.long(since)} with {where}, {behind}{again(named, record)}"
    waits_for: WaitsFor = "earlier call" if record.actor else "turn"
    return cause_of(named, record, text, since, waits_for), Next("task", head.task_id)


def _argument_elsewhere(named: Named, record: TaskRecord) -> Link | None:
    """An argument exists and is not in memory: it is read back from disk, or made again."""
    since = waits_since(named, record)
    for dependency in record.dependencies:
        known = named.fold.objects.get(dependency)
        if known is not None and known.state in ("spilled", "lost"):
            why = "is on disk and is read back" if known.state == "spilled" else "was lost and is made again"
            text = f"has waited {named.long(since)} for an argument that {why}{again(named, record)}"
            return cause_of(named, record, text, since, "space"), Next("object", dependency)
    return None


def _short_of(named: Named, record: TaskRecord, node_id: str, held: NodeHoldings, short: Resources) -> Link:
    """It asks for more than is free."""
    since = waits_since(named, record)
    holders = {holding.holder.task_id: holding for name, _ in short for holding in held.holders_of(name)}
    text = f"has waited {named.long(since)} for resources of node {node(node_id)}: it asks for "
    text += in_words(tuple((original_name(name), units) for name, units in short))
    text += f", and {_free(held, short)}; {_held_by(named, list(holders.values()))}{again(named, record)}"
    cause = cause_of(
        named,
        record,
        text,
        since,
        "resources",
        asked=amounts(record.template.resources),
        free={name: held.free[name] / RESOURCE_UNITS for name, _ in short},
        holders=[task_id.hex() for task_id in holders],
    )
    return cause, _holder_next(named, next(iter(holders.values()), None))


def _free(held: NodeHoldings, short: Resources) -> str:
    shown = []
    for name, _ in short:
        free = in_words(((original_name(name), max(0, held.free[name])),))
        total = in_words(((original_name(name), held.total[name]),))
        group = " of its placement group" if original_name(name) != name else ""
        shown.append(f"{free} of {total}{group} is free")
    return " and ".join(shown)


def _held_by(named: Named, holders: list[Holding]) -> str:
    if not holders:
        return "the log does not tell who holds the rest"
    if len(holders) == 1:
        return f"{_holder(named, holders[0])} holds the rest"
    shown = [f"{_holder(named, each)} ({in_words(each.resources)})" for each in holders[:HOLDERS_TOLD]]
    more = f" and {len(holders) - HOLDERS_TOLD} more" if len(holders) > HOLDERS_TOLD else ""
    return f"{', '.join(shown)}{more} hold the rest"


def _holder(named: Named, holding: Holding) -> str:
    actor = named.fold.actors.get(holding.holder.task_id)
    if actor is not None:
        return named.actor(actor)
    if holding.holder.template.bundles:
        return f"placement group {named.task(holding.holder)}"
    return named.task(holding.holder)


def _holder_next(named: Named, holding: Holding | None) -> Next | None:
    if holding is None or holding.holder.template.bundles:
        return None
    task_id = holding.holder.task_id
    return Next("actor" if task_id in named.fold.actors else "task", task_id)


def _unsent_call(named: Named, record: TaskRecord) -> Link:
    """A call that was not sent to its actor: that is not alive, or an earlier call of the same caller is held up."""
    since = waits_since(named, record)
    waited = f"has waited {named.long(since)}"
    actor = named.fold.actors.get(TaskId(bytes.fromhex(record.actor)))
    if actor is None:
        return cause_of(named, record, f"{waited} for an actor that the log does not know", since, "actor"), None
    held_up = _earlier_call(named, record) if actor.state == "alive" else None
    if held_up is not None:
        text = f"{waited} to be sent to {named.actor(actor)}: calls of one caller go in order, and "
        text += f"{named.task(held_up)} goes first"
        return cause_of(named, record, text, since, "earlier call"), Next("task", held_up.task_id)
    text = f"{waited} for {named.actor(actor)}, {_actor_words(actor)}{again(named, record)}"
    return cause_of(named, record, text, since, "actor"), Next("actor", actor.creation.task_id)


def _actor_words(actor: ActorRecord) -> str:
    return {
        "pending": "which has not been created yet",
        "alive": "to which it is about to be sent",
        "restarting": "which is restarting",
        "dead": "which is dead",
    }[actor.state]


def _earlier_call(named: Named, record: TaskRecord) -> TaskRecord | None:
    """The first unsent call of the same actor and caller; a caller is the task, or the driver, that submitted it."""
    for other in named.fold.tasks.values():
        is_lane = other.actor == record.actor and other.parent_id == record.parent_id and other.template.calls
        if is_lane and other.ordinal < record.ordinal and not other.ended and not other.queued:
            return other
    return None
