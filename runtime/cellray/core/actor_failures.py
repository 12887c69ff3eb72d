"""Why calls of an actor fail: for each way to die the value that its calls get, and one line for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core import failures
from cellray.ids import ActorId, GroupId, TaskId
from cellray.model.actor import ActorOptions
from cellray.model.object import Failure, ObjectValue, ValueKind, decode_failure, encode_failure

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.tasks import Task
    from cellray.model.fact import WorkerExited

Death = tuple[ObjectValue, str]
"""What calls of the dead actor get, and the reason in one line."""

AGAIN = "Create the actor again to go on."


def name_taken(options: ActorOptions) -> ObjectValue:
    """The value of an actor's object whose name was not reserved for it: a bug of ours, the API asks first."""
    return failures.internal(f"The actor name {options.name!r} was used without having been taken.")


def ended(actor_id: TaskId) -> ObjectValue:
    """The object of an actor that a call made which runs again: its last handle has gone since."""
    return encode_failure(Failure("actor_died", f"This actor has ended. {AGAIN}", {"actor_id": actor_id.hex()}))


def unknown(call: str, actor_id: ActorId) -> ObjectValue:
    """A call of an actor that this node does not know, or knows no more."""
    text = f"{call}: its actor is not on this node. Its last handle went, or it is of an earlier session. {AGAIN}"
    return encode_failure(Failure("actor_died", text, {"actor_id": actor_id.hex()}))


def not_created(actor: Actor, creation: Task, error: ObjectValue) -> Death:
    """The constructor raised (the worker says it all), was cancelled, or could not be called; or the checkpoint after
    it could not be restored, and there is no other way."""
    options = actor.options
    if actor.journal is not None and actor.journal.reasons:
        return not_rebuilt(actor, "; ".join(actor.journal.reasons))
    if error.kind == ValueKind.FAILURE:
        failure = decode_failure(error.data)
        if failure.kind == "actor_died":
            return error, "its constructor raised"
        if failure.kind == "runtime_env":
            return error, failure.message
        reason = "its creation was cancelled" if failure.kind == "cancelled" else failure.message.split("\n", 1)[0]
        return _died(options, ActorId(creation.task_id), f"it was not created: {failure.message}"), reason
    reason = "an argument of its constructor failed"
    return _died(options, ActorId(creation.task_id), f"{reason}; `get` that argument to see why. {AGAIN}"), reason


def not_rebuilt(actor: Actor, why: str) -> Death:
    """Its process died, and the state that it had cannot be had again."""
    reason = f"it could not be rebuilt: {why}"
    return _died(actor.options, actor.actor_id, f"its process died, and {reason}. {AGAIN}"), reason


def killed(options: ActorOptions, actor_id: ActorId) -> Death:
    """`kill(actor)`."""
    reason = "it was killed by cellray.kill()"
    return _died(options, actor_id, f"{reason}. {AGAIN}"), reason


def exited(options: ActorOptions, actor_id: ActorId) -> Death:
    """`exit_actor()`, or `sys.exit(0)`."""
    reason = "it ended itself with exit_actor() or sys.exit(0)"
    return _died(options, actor_id, f"{reason}. {AGAIN}"), reason


def driver_left(options: ActorOptions, actor_id: ActorId) -> Death:
    """The driver that created it disconnected."""
    reason = "the driver that created it has left"
    return _died(options, actor_id, f"{reason}. Actors that are to stay are created with lifetime='detached'."), reason


def group_removed(options: ActorOptions, group_id: GroupId) -> Death:
    """The placement group that it ran in was removed."""
    value = failures.group_removed(f"The actor of class {options.class_name}", group_id, actor=True)
    return value, "its placement group was removed"


def out_of_scope(options: ActorOptions, actor_id: ActorId) -> Death:
    """Nobody is left to see this but readers of the log."""
    reason = "its last handle went"
    return _died(options, actor_id, f"{reason}. Keep a handle, or create it with lifetime='detached'."), reason


def crashed(actor: Actor, pid: int, fact: WorkerExited) -> Death:
    """Its process died, and no restarts are left."""
    reason = f"its process {pid} {failures.death(fact)}"
    text = reason + (f", after {actor.restarts} restart(s)." if actor.restarts else ".")
    if actor.journal is not None and actor.journal.failures:
        text += f" So often in succession did it die while its state was rebuilt: {actor.journal.failures} times."
        text += "".join(f"\n{each}" for each in actor.journal.reasons)
    if fact.output_tail:
        text += "\nThe last lines of its output:\n" + fact.output_tail.rstrip()
    text += "\nTo have it restarted, create it with max_restarts=...; calls are tried again with max_task_retries=...."
    return _died(actor.options, actor.actor_id, text, pid=str(pid), signal=str(fact.signal)), reason


def unavailable(options: ActorOptions, call: Task, death: str) -> ObjectValue:
    """The process died with this call, and the actor restarts."""
    tried = f", in attempt {call.attempt + 1} and the last" if call.attempt else ""
    text = (
        f"{call.template.spec.name}: {death} while it had this call, which may have run{tried}. The actor restarts and "
        f"takes new calls. To have calls tried again{' more often' * bool(tried)}, create it with max_task_retries=...."
    )
    return encode_failure(Failure("actor_unavailable", text, {"class_name": options.class_name}))


def _died(options: ActorOptions, actor_id: ActorId, why: str, **fields: str) -> ObjectValue:
    name = f" {options.name!r}" if options.name else ""
    text = f"The actor{name} of class {options.class_name} is dead: {why}"
    return encode_failure(
        Failure("actor_died", text, {"actor_id": actor_id.hex(), "class_name": options.class_name, **fields})
    )
