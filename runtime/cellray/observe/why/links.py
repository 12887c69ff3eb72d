"""A link of an answer about a task: what all of them have in common."""

from __future__ import annotations

from typing import Any

from cellray.ids import producer_of
from cellray.observe.records import WAITING, TaskRecord
from cellray.observe.why.answer import Cause, WaitsFor, worker_name
from cellray.observe.why.words import Named, Next

Link = tuple[Cause, Next | None]


def cause_of(
    named: Named, record: TaskRecord, text: str, since: float, waits_for: WaitsFor | None = None, **fields: Any
) -> Cause:
    """A link about a task; `text` begins with its name."""
    return Cause(
        kind="task",
        id=record.task_id.hex(),
        name=record.template.name,
        state=record.state_name,
        text=f"{named.task(record)} {text}.",
        since=since,
        waits_for=waits_for,
        worker=worker_name(record.worker),
        **fields,
    )


def again(named: Named, record: TaskRecord) -> str:
    """What is out of the ordinary before this: earlier attempts, and that a worker gave it back."""
    events = named.fold.stories.of(record.task_id)
    attempts = [event for event in events if event.kind == "retried"]
    returned = [event for event in events if event.kind == "returned"]
    texts = []
    if attempts:
        last = attempts[-1]
        where = f" on {named.worker(last.worker)}" if last.worker is not None else ""
        earlier = f", and {len(attempts) - 1} before it" if len(attempts) > 1 else ""
        texts.append(f"this is attempt {record.attempt + 1}, because the one{where} ended{earlier}: {last.text}")
    if returned:
        times = "" if len(returned) == 1 else f" ({len(returned)} times)"
        giver = returned[-1].worker
        moved = "it moved, because " if giver != record.worker else ""
        texts.append(f"{moved}{named.worker(giver)} gave it back unbegun{times}")
    if record.diverged:
        texts.append(f"it gave another value than the first time: {record.diverged}")
    return "".join(f"; {text}" for text in texts)


def waits_since(named: Named, record: TaskRecord) -> float:
    """When the present wait began: the submission, the last argument's coming, or the end of an attempt."""
    moments = [record.submitted_at, *(event.at for event in named.fold.stories.of(record.task_id))]
    if record.state != WAITING:
        producers = (named.fold.tasks.get(producer_of(dependency)) for dependency in record.dependencies)
        moments += [producer.finished_at for producer in producers if producer is not None and producer.ended]
    return max(moments)
