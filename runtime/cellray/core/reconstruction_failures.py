"""Why a lost object cannot be made again: the value that its readers get, with the chain of reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core.outcome import last_attempt
from cellray.ids import is_put, producer_of, short_task_id
from cellray.model.object import Failure, ObjectValue, ValueKind, decode_failure, encode_failure

if TYPE_CHECKING:
    from cellray.core.blocks import Block
    from cellray.core.tasks import Task
    from cellray.ids import ObjectId
    from cellray.model.history import TaskHistory

NO_TASK = "the event log has no task that made it"
AGAIN = "Make it again, from the start of this chain."


def why_not(history: TaskHistory | None, error: str) -> str:
    """Why the task cannot run again; empty when it can."""
    if history is None:
        return f"the event log cannot be read: {error}" if error else NO_TASK
    template = history.template
    if template is None or (history.function is None and template.group is None):
        return "its function is not in the event log any more"
    if template.method:
        return (
            f"it was returned by {template.name}, a call of an actor, and running that again would change the actor a "
            "second time; return large values from tasks, or keep them in the actor and ask for them again"
        )
    if template.actor is not None or template.group is not None:
        return f"it stands for what {template.name} created"
    if not template.max_retries:
        return f"{template.name} was created with max_retries=0, so it may not run again"
    if 0 <= template.max_retries <= last_attempt(history):
        attempts = last_attempt(history) + 1
        return f"{template.name} has had {attempts} attempts, as many as its max_retries={template.max_retries} allows"
    return ""


def not_possible(block: Block, history: TaskHistory | None, reason: str) -> ObjectValue:
    """The value of an object whose task will not run again."""
    if history is None and is_put(block.entry.object_id) and reason == NO_TASK:
        reason = (
            "it was stored with put by a driver, and no task makes it; keep a reference to it as long as it matters"
        )
        reason += ", or have more kept for this: CELLRAY_LINEAGE_MEMORY_SHARE"
    return _failure(block, history.template.name if history and history.template else "", reason)


def still_running(block: Block, task: Task) -> ObjectValue:
    """The value of an object whose task is under way, and will not make it a second time."""
    name = task.template.spec.name
    made = "stored" if is_put(block.entry.object_id) else "yielded"
    reason = f"{name} has {made} it and is still running, so it cannot be run once more for it"
    return _failure(block, name, reason)


def after_running(block: Block, task: Task, error: ObjectValue | None) -> ObjectValue:
    """The value of an object whose task ran again for it, in vain. What the user's code raised now, it raises."""
    name = task.template.spec.name
    if error is None:
        return _failure(block, name, f"{name} ran again and did not make it: it is not the same each time it runs")
    if error.kind != ValueKind.FAILURE:
        return error
    return _failure(block, name, f"{name} was to run again, and could not:", decode_failure(error.data))


def text_of(value: ObjectValue) -> str:
    """The reasons, one a line."""
    if value.kind != ValueKind.FAILURE:
        return "its task ran again and raised"
    failure = decode_failure(value.data)
    return failure.fields.get("reasons", failure.message)


def _failure(block: Block, name: str, reason: str, cause: Failure | None = None) -> ObjectValue:
    object_id = block.entry.object_id
    reasons = f"{_origin(object_id, name)}: {block.loss}; it cannot be made again: {reason}"
    if cause is not None:
        reasons += "\n" + cause.fields.get("reasons", cause.message)
    text = f"Object {object_id.hex()} is lost.\n{reasons}\n{AGAIN}"
    fields = {"object_id": object_id.hex(), "reasons": reasons}
    return encode_failure(Failure("reconstruction_failed", text, fields))


def _origin(object_id: ObjectId, name: str) -> str:
    task = (
        f"{name} (task {short_task_id(producer_of(object_id))})"
        if name
        else f"task {short_task_id(producer_of(object_id))}"
    )
    return f"{object_id.hex()}, {'stored with put by' if is_put(object_id) else 'returned by'} {task}"
