"""Why a task ended as it did: what its last attempt came to, and who cancelled it."""

from __future__ import annotations

from cellray.ids import producer_of
from cellray.observe.records import LOST, TaskRecord
from cellray.observe.visual.format import duration
from cellray.observe.why.links import Link, again, cause_of
from cellray.observe.why.words import Named, Next


def explain_finished(named: Named, record: TaskRecord) -> Link:
    took = f" in {duration(record.duration_s)}" if record.duration_s is not None else ""
    where = f" on {named.worker(record.worker)}" if record.worker is not None else ""
    text = f"finished {named.long(record.finished_at)} ago{took}{where}{again(named, record)}"
    return cause_of(named, record, text, record.finished_at), None


def explain_failed(named: Named, record: TaskRecord) -> Link:
    verb = "is lost" if record.state == LOST else "failed"
    culprit = _failed_argument(named, record)
    if culprit is not None:
        text = (
            f"{verb} {named.long(record.finished_at)} ago without having run, because of its argument, the result of "
        )
        text += named.task(culprit)
        return cause_of(named, record, text, record.finished_at), Next("task", culprit.task_id)
    ran = " without having run" if not record.started_at and not record.attempt else ""
    where = f" on {named.worker(record.worker)}" if record.worker is not None else ""
    text = f"{verb} {named.long(record.finished_at)} ago{ran}{where}: {record.error or 'the log gives no reason'}"
    return cause_of(named, record, text + again(named, record), record.finished_at), None


def _failed_argument(named: Named, record: TaskRecord) -> TaskRecord | None:
    if record.started_at:
        return None
    for dependency in record.dependencies:
        known, producer = named.fold.objects.get(dependency), named.fold.tasks.get(producer_of(dependency))
        if known is not None and known.is_error and producer is not None and producer is not record:
            return producer
    return None


def explain_cancelled(named: Named, record: TaskRecord) -> Link:
    ran = f" after it had run {duration(record.duration_s)}" if record.duration_s is not None else " before it began"
    text = f"was cancelled {named.long(record.finished_at)} ago{ran}: {_canceller(named, record)}"
    return cause_of(named, record, text, record.finished_at), None


def _canceller(named: Named, record: TaskRecord) -> str:
    """By whom: who asked for it, or for the end of a task above; else the log's own words."""
    above: TaskRecord | None = record
    while above is not None:
        for event in named.fold.stories.of(above.task_id):
            reaches = above is record or event.recursive
            if event.kind == "cancel_requested" and reaches and event.at <= record.finished_at:
                who = f"{named.asker(event.asker)} asked for it" + (f", by {event.text}" if event.text else "")
                if above is record:
                    return who
                return f"{named.task(above)}, below which it stands, was cancelled with all that it submitted; {who}"
        above = named.fold.tasks.get(above.parent_id)
    return record.error or "the log gives no reason"
