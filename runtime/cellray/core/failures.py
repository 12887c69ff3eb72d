"""Failures as values: the sentences that users read when the runtime could not produce an object.

Each says what happened, with numbers, and ends with what can be done.
"""

from __future__ import annotations

from cellray.core.resources import ResourcePool, format_resources, format_units
from cellray.ids import GroupId, ObjectId, TaskId, is_put, producer_of, short_task_id
from cellray.model.fact import WorkerExited
from cellray.model.object import Failure, ObjectValue, decode_failure, encode_failure
from cellray.model.task import Resources

MEGABYTE = 1024 * 1024

SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    15: "SIGTERM",
}
"""Those whose numbers are the same on every system; a core that looked them up would depend on its own."""
SIGKILL = 9
SIGNALS_OF_NATIVE_CODE = (4, 6, 7, 8, 10, 11)
"""SIGILL, SIGABRT, SIGBUS (7 on Linux, 10 on macOS), SIGFPE, SIGSEGV."""


def cancelled(name: str, task_id: TaskId, reason: str) -> ObjectValue:
    """The value of what a cancelled task would have returned."""
    text = f"{name} (task {short_task_id(task_id)}) was cancelled" + (f": {reason}" if reason else "")
    return encode_failure(Failure("cancelled", f"{text}. Call it again to run it.", {"task_id": task_id.hex()}))


def worker_crashed(name: str, task_id: TaskId, pid: int, attempts: int, exited: WorkerExited) -> ObjectValue:
    """The value of what a task would have returned whose worker died, with no retries left."""
    lines = [
        f"{name} (task {short_task_id(task_id)}): its worker, process {pid}, {death(exited)} while it ran the task"
    ]
    lines[0] += f", in attempt {attempts} and the last." if attempts > 1 else "."
    if exited.output_tail:
        lines.append("The last lines of its output:\n" + exited.output_tail.rstrip())
    lines.append(_crash_advice(exited))
    fields = {"task_id": task_id.hex(), "pid": str(pid)}
    fields |= {"signal": str(exited.signal), "exit_code": str(exited.exit_code)}
    return encode_failure(
        Failure("out_of_memory" if exited.out_of_memory else "worker_crashed", "\n".join(lines), fields)
    )


def death(exited: WorkerExited) -> str:
    """`was killed by SIGKILL (9)`, `exited with code 1` or `was ended for want of memory (...)`."""
    if exited.out_of_memory:
        return f"was ended for want of memory ({exited.out_of_memory})"
    if not exited.signal:
        return f"exited with code {exited.exit_code}"
    return f"was killed by {SIGNALS.get(exited.signal, 'signal')} ({exited.signal})"


def _crash_advice(exited: WorkerExited) -> str:
    if exited.out_of_memory:
        return (
            "Let fewer such tasks run at a time with .options(num_cpus=...), make each smaller, or have it tried again "
            "more often with .options(max_retries=...). From which share of the memory on tasks are ended is set with "
            "CELLRAY_MEMORY_USAGE_THRESHOLD."
        )
    if exited.signal == SIGKILL:
        return (
            "SIGKILL without anybody asking is most often the kernel running out of memory (see `dmesg`): let fewer "
            "such tasks run at a time with .options(num_cpus=...), or make each smaller."
        )
    if exited.signal in SIGNALS_OF_NATIVE_CODE:
        return (
            "That is native code failing, not a Python exception: run the function directly in the notebook with "
            "`faulthandler.enable()` to see where. Only if it happens by chance do more retries help: "
            ".options(max_retries=...)."
        )
    return (
        "Something ended the process: look for os._exit in the function and in what it calls. If it happens by chance, "
        "more retries help: .options(max_retries=...)."
    )


def infeasible_text(name: str, demand: Resources, pool: ResourcePool) -> str:
    """Why no node of this session can ever run `name`; empty when one can."""
    lacking = pool.lacking(demand)
    if not lacking:
        return ""
    asked = " and ".join(
        f"{format_units(units, resource)} {resource} (the node has {format_units(total, resource)})"
        for resource, units, total in lacking
    )
    has = format_resources(pool.own())
    return (
        f"{name} asks for {asked}, more than there is in this session: {has}. Ask for less with .options(...), or "
        "start the session with more: cellray.init(num_cpus=..., num_gpus=..., resources={...})."
    )


def no_such_node_text(name: str, node_id: str, here: str) -> str:
    """Why `name` cannot run where its NodeAffinitySchedulingStrategy wants it."""
    return (
        f"{name} is to run on node {node_id}, and there is no such node in this session, only {here}. Give the "
        "'NodeID' of one of cellray.nodes(), or soft=True in the strategy to have it run elsewhere."
    )


def group_infeasible_text(name: str, bundles: int) -> str:
    """Why a placement group of this many bundles cannot be spread over one node."""
    return (
        f"{name} asks for STRICT_SPREAD over {bundles} nodes, and this session has 1. Use strategy='SPREAD' or 'PACK', "
        "which put bundles together where there are too few nodes."
    )


def gpus_infeasible_text(name: str, bundles: tuple[Resources, ...], gpus: int) -> str:
    """Why the bundles of a placement group cannot be cut out of this many GPUs."""
    shown = "; ".join(format_resources(each) for each in bundles)
    return (
        f"{name} has bundles ({shown}) that cannot be cut out of {gpus} GPU(s): no bundle gets its part of a GPU from "
        "two. Ask for other fractions."
    )


def misfit_text(name: str, demand: Resources, bundle: int, bundles: tuple[Resources, ...]) -> str:
    """Why `name` can never run in a placement group of these bundles."""
    where = f"bundle {bundle}" if bundle >= 0 else "any bundle"
    has = "; ".join(format_resources(each) for each in bundles)
    return (
        f"{name} asks for {format_resources(demand)}, which does not fit into {where} of its placement group ({has}). "
        "Ask for less with .options(...), or make the bundles larger."
    )


def group_not_created(name: str, group_id: GroupId) -> ObjectValue:
    """The value of what says that a placement group is ready, when it was removed or cancelled before it was."""
    text = f"{name} ({short_task_id(TaskId(group_id))}) was removed before its bundles were reserved. Create it again."
    return encode_failure(Failure("placement_group_removed", text, {"placement_group_id": group_id.hex()}))


def group_removed(name: str, group_id: GroupId, *, actor: bool = False) -> ObjectValue:
    """The value of what a task or actor would have given that ran, or was to run, in a removed placement group."""
    text = (
        f"{name}: its placement group {short_task_id(TaskId(group_id))} was removed, and what ran in it was ended. "
        "Create the group again to go on."
    )
    kind = "actor_placement_group_removed" if actor else "placement_group_removed"
    return encode_failure(Failure(kind, text, {"placement_group_id": group_id.hex()}))


def one_line(text: str) -> str:
    """For facts and views: the first line, not too long."""
    return text.split("\n", 1)[0][:200]


def first_line(value: ObjectValue) -> str:
    """The first line of a failure's message, for views."""
    return decode_failure(value.data).message.split("\n", 1)[0]


def unschedulable(text: str) -> ObjectValue:
    """The value of what a task would have returned that can run nowhere."""
    return encode_failure(Failure("unschedulable", text))


def internal(text: str) -> ObjectValue:
    """The value of what a task would have returned, had there not been a bug of ours."""
    return encode_failure(Failure("internal", f"{text} This is a bug in Cellray; please report it with this text."))


def object_lost(object_id: ObjectId) -> ObjectValue:
    """The value of an object that this node does not know, or knows no more."""
    origin = "stored with put by" if is_put(object_id) else "returned by"
    text = (
        f"Object {object_id.hex()}, {origin} task {short_task_id(producer_of(object_id))}, is not on this node: nobody "
        "referred to it any more and it was freed, or it is of an earlier session. Keep a reference (the ObjectRef "
        "itself, not its hex id) for as long as the value is needed, or make it again."
    )
    return encode_failure(Failure("object_lost", text, {"object_id": object_id.hex()}))


def unreadable(object_id: ObjectId, reason: str) -> ObjectValue:
    """The value of an object that was moved to disk and cannot be read back."""
    text = (
        f"Object {object_id.hex()} was moved to disk for want of shared memory, and cannot be read back: {reason}. "
        "Make it again, after a look at the disk of the session's folder."
    )
    return encode_failure(Failure("object_lost", text, {"object_id": object_id.hex()}))


def arguments_too_large(name: str, wanted_bytes: int, arena_bytes: int) -> ObjectValue:
    """The value of what a task would have returned whose arguments do not fit into memory at the same time."""
    text = (
        f"The arguments of {name} take {megabytes(wanted_bytes)} of shared memory together, this node has "
        f"{megabytes(arena_bytes)}. Pass fewer at a time, or start the session with more: "
        "cellray.init(object_store_memory=...)."
    )
    return encode_failure(Failure("store_full", text))


def too_large_text(wanted_bytes: int, arena_bytes: int) -> str:
    """Why an object can never be stored here."""
    return (
        f"an object of {megabytes(wanted_bytes)} does not fit into the shared memory of this node, which is "
        f"{megabytes(arena_bytes)}. Split it, or start the session with more: cellray.init(object_store_memory=...)."
    )


def no_space_text(
    wanted_bytes: int, arena_bytes: int, used_bytes: int, largest_gap_bytes: int, holders: list[str], disk: str
) -> str:
    """Why the arena has no room for an object, and got none while it was waited for."""
    text = (
        f"there is no room for an object of {megabytes(wanted_bytes)}, and waiting has not helped: of the "
        f"{megabytes(arena_bytes)} of shared memory of this node, {megabytes(used_bytes)} are in use and the largest "
        f"free piece is {megabytes(largest_gap_bytes)}."
    )
    if disk:
        text += f" Objects cannot be moved to disk: {disk}."
        advice = "Drop references to large objects (del), free disk space or raise CELLRAY_SPILL_BYTES_MAX"
    else:
        if holders:
            text += f" What is being read or written cannot be moved: {'; '.join(holders)}."
        advice = "Drop arrays that were got from the session (del, or copy what is needed of them)"
    return f"{text} {advice}, or start the session with more: cellray.init(object_store_memory=...)."


def megabytes(count: int) -> str:
    """For people."""
    return f"{count / MEGABYTE:.1f} MB" if count >= MEGABYTE else f"{count / 1024:.1f} KB"
