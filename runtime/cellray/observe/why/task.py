"""Why a task is in the state that it is in."""

from __future__ import annotations

from cellray.ids import ObjectId, child_task_id, is_put, producer_of
from cellray.observe.records import CANCELLED, FAILED, FETCHING, FINISHED, LOST, RUNNING, WAITING, TaskRecord
from cellray.observe.why.end import explain_cancelled, explain_failed, explain_finished
from cellray.observe.why.links import Link, again, cause_of, waits_since
from cellray.observe.why.ready import explain_ready
from cellray.observe.why.words import Named, Next


def explain_task(named: Named, record: TaskRecord) -> Link:
    """One sentence or two about a task, and what it waits for."""
    if record.state == WAITING:
        return _waiting(named, record)
    if record.state in (RUNNING, FETCHING):
        return _running(named, record)
    if record.state == FINISHED:
        return explain_finished(named, record)
    if record.state in (FAILED, LOST):
        return explain_failed(named, record)
    if record.state == CANCELLED:
        return explain_cancelled(named, record)
    return explain_ready(named, record)


def _waiting(named: Named, record: TaskRecord) -> Link:
    fold = named.fold
    missing = [
        dependency
        for dependency in dict.fromkeys(record.dependencies)
        if fold.ledger.is_missing(dependency, fold.tasks.get(producer_of(dependency)))
    ]
    of = len(set(record.dependencies))
    which = "its argument" if of == 1 else f"{len(missing)} of its {of} arguments"
    since = waits_since(named, record)
    first = _hardest(named, missing)
    text = f"has waited {named.long(since)} for {which}{again(named, record)}"
    if first is None:
        return cause_of(named, record, text, since, "argument"), None
    producer = fold.tasks.get(producer_of(first))
    if producer is None:
        text += f": the log does not know who makes {first.hex()}"
        return cause_of(named, record, text, since, "argument"), None
    verb = "is to put" if is_put(first) else "makes"
    text += (
        f", which {named.task(producer)} {verb}"
        if len(missing) == 1
        else f", such as what {named.task(producer)} {verb}"
    )
    return cause_of(named, record, text, since, "argument"), Next("task", producer.task_id)


def _hardest(named: Named, missing: list[ObjectId]) -> ObjectId | None:
    """Of several missing arguments the one to tell of: one whose task waits itself before one whose task runs."""
    tasks = named.fold.tasks

    def rank(object_id: ObjectId) -> int:
        producer = tasks.get(producer_of(object_id))
        return 2 if producer is None else 1 if producer.state == RUNNING else 0

    return min(missing, key=rank, default=None)


def _running(named: Named, record: TaskRecord) -> Link:
    text = f"has been running for {named.long(record.started_at)} on {named.worker(record.worker)}"
    worker = named.fold.workers.get(record.worker) if record.worker is not None else None
    if worker is None or not worker.blocked:
        return cause_of(named, record, text + again(named, record), record.started_at), None
    children = (child_task_id(record.prefix, index) for index in range(record.index_max + 1))
    known = (named.fold.tasks.get(child) for child in children)
    child = next((each for each in known if each is not None and not each.ended), None)
    if child is None:
        text += ", and waits in get or wait for what it did not submit itself"
        return cause_of(named, record, text + again(named, record), record.started_at), None
    text += f", and waits in get or wait; of what it submitted, {named.task(child)} has not ended{again(named, record)}"
    return cause_of(named, record, text, record.started_at, "child"), Next("task", child.task_id)
