"""Why an actor is in the state that it is in."""

from __future__ import annotations

from cellray.observe.records import RUNNING, ActorRecord
from cellray.observe.why.answer import Cause, WaitsFor, worker_name
from cellray.observe.why.words import Named, Next


def explain_actor(named: Named, actor: ActorRecord) -> tuple[Cause, Next | None]:
    """One sentence about an actor, and what it waits for or is busy with."""
    long = named.long(actor.since)
    task_id = actor.creation.task_id
    creation = Next("task", task_id) if task_id in named.fold.tasks else None  # it may be kept as a count only
    match actor.state:
        case "pending":
            return _cause(named, actor, f"has not been created yet, for {long}", "actor"), creation
        case "restarting":
            text = f"has been restarting for {long}: {actor.reason}"
            return _cause(named, actor, text, "actor"), creation
        case "dead":
            return _cause(named, actor, f"died {long} ago: {actor.reason}{_killer(named, actor)}"), None
    worker = named.fold.workers.get(actor.worker) if actor.worker is not None else None
    running = [record for record in worker.queue if record.state == RUNNING] if worker is not None else []
    restarted = _restarted(named, actor)
    if worker is None or not running:
        text = f"is alive on {named.worker(actor.worker)} and waits for calls{restarted}"
        return _cause(named, actor, text), None
    busy = named.task(running[0]) if len(running) == 1 else f"{len(running)} calls, such as {named.task(running[0])}"
    waiting = len(worker.queue) - len(running)
    behind = f"; {waiting} more wait behind" if waiting else ""
    return _cause(named, actor, f"is busy with {busy}{behind}{restarted}"), Next("task", running[0].task_id)


def _cause(named: Named, actor: ActorRecord, text: str, waits_for: WaitsFor | None = None) -> Cause:
    name = named.actor(actor)
    return Cause(
        kind="actor",
        id=actor.creation.task_id.hex(),
        name=name,
        state=actor.state,
        text=f"{name[:1].upper()}{name[1:]} {text}.",
        since=actor.since,
        waits_for=waits_for,
        worker=worker_name(actor.worker),
    )


def _restarted(named: Named, actor: ActorRecord) -> str:
    if not actor.restarts:
        return ""
    restored = [event for event in named.fold.stories.of(actor.creation.task_id) if event.kind == "restored"]
    state = named.event(restored[-1]) if restored else "its state began anew, with its constructor"
    times = "once" if actor.restarts == 1 else f"{actor.restarts} times"
    return f"; it was restarted {times}, lastly because {actor.reason}, and {state}"


def _killer(named: Named, actor: ActorRecord) -> str:
    asked = [event for event in named.fold.stories.of(actor.creation.task_id) if event.kind == "kill_requested"]
    return f", asked for by {named.asker(asked[-1].asker)}" if asked else ""
