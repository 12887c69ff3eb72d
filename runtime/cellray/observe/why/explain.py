"""Finds the answer to `why` in a fold: one link after another, until something waits for nothing more."""

from __future__ import annotations

from cellray.ids import TASK_ID_BYTES, ObjectId, TaskId, is_put, producer_of
from cellray.observe.fold import LogFold
from cellray.observe.nodes import outputs_of
from cellray.observe.subjects import NodeKey, task_of
from cellray.observe.visual.format import data_size
from cellray.observe.why.actor import explain_actor
from cellray.observe.why.answer import Cause, Happened, Why
from cellray.observe.why.task import explain_task
from cellray.observe.why.words import Named, Next

LINKS_MAX = 50
"""A chain that is longer ends here; it goes on in the answer about its last link."""


def explain(fold: LogFold, key: NodeKey, now: float) -> Why:
    """The answer about a task, an object, or an actor by its creation, as of `now`."""
    named = Named(fold, now)
    chain: list[Cause] = []
    asked: set[Next] = set()
    following: Next | None = _first(fold, key)
    while following is not None and following not in asked and len(chain) < LINKS_MAX:
        asked.add(following)
        cause, following = _link(named, following)
        chain.append(cause)
    return Why(chain=chain, before=_before(named, key), at=now, is_circle=following in asked)


def _first(fold: LogFold, key: NodeKey) -> Next:
    """Who asks about what an actor's handle holds asks about the actor; about a result to come, about its task."""
    task_id = task_of(key)
    if task_id in fold.actors and (len(key) == TASK_ID_BYTES or not is_put(ObjectId(key))):
        return Next("actor", task_id)
    return Next("task", key) if len(key) == TASK_ID_BYTES else Next("object", key)


def _link(named: Named, wanted: Next) -> tuple[Cause, Next | None]:
    if wanted.kind == "actor":
        return explain_actor(named, named.fold.actors[TaskId(wanted.key)])
    if wanted.kind == "object":
        return _explain_object(named, ObjectId(wanted.key))
    return explain_task(named, named.fold.tasks[TaskId(wanted.key)])


def _explain_object(named: Named, object_id: ObjectId) -> tuple[Cause, Next | None]:
    """What exists, where it is; what does not is explained by the task that makes it."""
    fold = named.fold
    producer = fold.tasks.get(producer_of(object_id))
    known = fold.objects.get(object_id)
    if producer is not None:
        maker = named.task(producer)
    else:
        maker = "the driver" if producer_of(object_id) in fold.drivers else "a task that is kept as a count only"
    name = f"what {maker} put" if is_put(object_id) else f"the result of {maker}"
    if known is None:
        if producer is not None and not is_put(object_id):
            return explain_task(named, producer)
        text = f"{_capital(name)} does not exist yet, as far as the log goes."
        following = Next("task", producer.task_id) if producer is not None else None
        return Cause(kind="object", id=object_id.hex(), name=name, state="pending", text=text), following
    if known.is_error and producer is not None:
        return explain_task(named, producer)
    size = data_size(known.object_bytes)
    where = {
        "pending": "does not exist yet",
        "inline": f"is there: {size}, kept with the task's record",
        "shared": f"is there: {size} in shared memory",
        "spilled": f"is on disk ({size}): memory was short, and it is read back when it is wanted",
        "freed": "was freed, because nobody referred to it any more; its lineage can make it again",
        "lost": "is lost",
    }[known.state]
    told = [event for event in fold.stories.of(object_id) if event.kind in ("lost", "reconstructed", "unrecoverable")]
    texts = [f"{_capital(name)} {where}{'; ' + named.event(told[-1]) if told else ''}."]
    if producer is not None and not is_put(object_id):
        texts.append(explain_task(named, producer)[0].text)
    cause = Cause(kind="object", id=object_id.hex(), name=name, state=known.state, text=" ".join(texts))
    return cause, None


def _before(named: Named, key: NodeKey) -> list[Happened]:
    """What happened to the task, and to the object that is asked about or, for a task, to what it returned."""
    stories, tasks = named.fold.stories, named.fold.tasks
    task_id = task_of(key)
    record = tasks.get(task_id)
    objects = [ObjectId(key)] if len(key) != TASK_ID_BYTES else outputs_of(record) if record is not None else []
    keys: list[NodeKey] = [*objects] if objects and is_put(objects[0]) else [task_id, *objects]
    events = sorted((event for each in keys for event in stories.of(each)), key=lambda event: event.at)
    return [Happened(event.at, event.kind, named.event(event), event.attempt + 1) for event in events]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
