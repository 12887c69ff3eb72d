"""`cellray.rerun`: what depends on a change is run again, on the session, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from cellray import provenance
from cellray.api.object_ref import ObjectRef
from cellray.api.object_ref_generator import ObjectRefGenerator
from cellray.api.session import started_engine
from cellray.core.outcome import has_bytes
from cellray.engines.native import NativeEngine
from cellray.engines.templates import options_of
from cellray.errors import ReplayError
from cellray.ids import (
    FunctionHash,
    ObjectId,
    TaskId,
    actor_object_id,
    item_object_id,
    producer_of,
    return_index_of,
    return_object_id,
)
from cellray.model.actor import actor_of_call
from cellray.model.history import TaskHistory
from cellray.ports import SubmitOptions
from cellray.replaying.changes import Changes
from cellray.replaying.functions import function_of
from cellray.replaying.past import is_anonymous, name_of
from cellray.replaying.plan import RerunPlan
from cellray.replaying.planner import Planner
from cellray.replaying.runner import template_in
from cellray.replaying.task import opened
from cellray.serialization import STORED_ARGUMENTS, deserialize, deserialize_arguments, serialize

if TYPE_CHECKING:
    from cellray.observe.log import Log


def rerun(
    ref: Any,
    functions: Mapping[Any, Any] | None = None,
    args: Sequence[Any] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    values: Mapping[Any, Any] | None = None,
    dry_run: bool = False,
    log: Log | str | None = None,
) -> Any:
    """Make an object again with a change: only what depends on the change runs, on this session, with the values of
    then for all else. Returns a new reference at once, as the call of then did.

    What changes: `functions={old: new}`, by function, class, remote function or name, wherever tasks call or capture
    them; `args` and `kwargs`, new arguments of the task that made `ref` itself (`args` all positional ones, `kwargs`
    those that it names); `values={other_ref: value}`, another value, or reference, in the place of an object that `ref`
    was made from. Without a change just the task itself runs again.

    What a task submits itself runs again with it. A call of an actor runs on a new actor, after the calls before it.
    Values that are gone and not kept in the log are made again. `dry_run=True` runs nothing and returns the plan: what
    would run, why, and how long it would take by what its functions took then. `log` is another log to take the tasks
    from.

    Raises ReplayError when something cannot be run again, ValueError when none of the tasks uses a function.

        better = cellray.rerun(score, functions={step: faster_step})
        cellray.rerun(score, args=(policy, 2000), dry_run=True)
    """
    engine = started_engine()
    if not isinstance(engine, NativeEngine):
        raise ReplayError("a task that is replayed runs nothing on the session: call rerun() outside of it")
    with opened(log) as scene:
        target = scene.ended(ref)
        replaced = {scene.object_id(old): new for old, new in (values or {}).items()}
        planner = Planner(scene, target, Changes(functions or {}), set(replaced))
        has_arguments = args is not None or kwargs is not None
        is_plain = not (functions or has_arguments or values)
        plan = planner.plan("its arguments are new" if has_arguments else "it is asked for" if is_plain else "")
        if dry_run:
            return plan
        if target.task_id not in planner.reasons:
            raise ValueError(f"{name_of(target)} does not depend on what is to change: nothing would run")
        submitter = Submitter(engine, planner, replaced)
        submitter.run(plan, args, kwargs)
        return submitter.result(ref)


class Submitter:
    """Carries a plan out. `_now` has what takes the place of objects of then."""

    def __init__(self, engine: NativeEngine, planner: Planner, replaced: Mapping[ObjectId, Any]) -> None:
        self._engine = engine
        self._planner = planner
        self._scene = planner.scene
        self._now: dict[ObjectId, ObjectRef] = {}
        self._generators: dict[TaskId, ObjectRefGenerator] = {}
        self._classes: dict[TaskId, FunctionHash] = {}
        for obj, new in {**planner.exchanged, **replaced}.items():
            self._now[obj] = new if isinstance(new, ObjectRef) else ObjectRef(engine.put(new), engine)

    def run(self, plan: RerunPlan, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> None:
        """Submit what the plan says; the target with these arguments."""
        wanted = {step.task_id for step in plan.steps}
        for history in self._planner.order:
            if history.task_id in wanted:
                given = self._arguments(history)
                if is_anonymous(history):
                    self._planner.changes.applied_to(given)
                if history is self._planner.target:
                    given = (given[0] if args is None else tuple(args), {**given[1], **(kwargs or {})})
                self._submit(history, *given)

    def result(self, subject: Any) -> Any:
        """What stands for the target now: the one return that was asked for, else all of them as `.remote()` has it."""
        target = self._planner.target
        if target.task_id in self._generators:
            return self._generators[target.task_id]
        if isinstance(subject, ObjectRef) and return_index_of(subject._id) < template_in(target).num_returns:
            return self._now[subject._id]
        refs = [self._now[return_object_id(target.task_id, i)] for i in range(template_in(target).num_returns)]
        return refs[0] if len(refs) == 1 else refs or None

    def _submit(self, history: TaskHistory, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        engine, template = self._engine, template_in(history)
        options = options_of(template)._replace(cell=provenance.current_cell(), placement=None)
        if template.actor is not None:
            ids = [self._create(history, options, args, kwargs)]
        elif template.method:
            actor = actor_object_id(actor_of_call(history.spec.contained))
            class_hash = self._classes[TaskId(actor_of_call(history.spec.contained))]
            ids = engine.actors.call(
                engine.actors.prepare_method(class_hash, options), self._now[actor]._id, args, kwargs
            )
        else:
            code = self._planner.code.get(history.task_id) or function_of(history)
            ids = engine.submit(engine.prepare(code, options), args, kwargs)
        refs = [ObjectRef(obj, engine) for obj in ids]
        for index, ref in enumerate(refs):
            self._now[return_object_id(history.task_id, index)] = ref
        if template.stream is not None:
            self._generators[history.task_id] = ObjectRefGenerator(refs[0], engine)

    def _create(
        self, history: TaskHistory, options: SubmitOptions, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ObjectId:
        """A new actor, without the name of then, which may be in use."""
        assert options.actor is not None, "the creation of one"
        nameless = options._replace(actor=msgspec.structs.replace(options.actor, name=""))
        code = self._planner.code.get(history.task_id) or function_of(history)
        created = self._engine.actors.create(code, nameless, args, kwargs)  # type: ignore[arg-type]
        self._classes[history.task_id] = created.class_hash
        return created.object_id

    def _arguments(self, history: TaskHistory) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of then, with references to what there is now."""
        spec = history.spec
        if spec.args == STORED_ARGUMENTS:
            refs: list[Any] = [self._ref(obj) for obj in spec.dependencies[:-1]]
            with self._scene.runner.engine.installed():
                data = serialize(self._scene.runner.values.load(spec.dependencies[-1])).to_bytes()
            return deserialize_arguments(STORED_ARGUMENTS, [*refs, deserialize(self._renamed(data, history))])
        refs = [self._ref(obj) for obj in spec.dependencies]
        return deserialize_arguments(self._renamed(spec.args, history), refs)

    def _renamed(self, data: bytes, history: TaskHistory) -> bytes:
        """References inside of arguments name their object by its id, whose bytes occur nowhere else."""
        for obj in self._planner.inputs(history):
            if obj not in history.spec.dependencies and bytes(obj) in data:
                data = data.replace(obj, self._ref(obj)._id)
        return data

    def _ref(self, obj: ObjectId) -> ObjectRef:
        """What stands for an object of then: what takes its place, the object itself, or its value stored anew."""
        known = self._now.get(obj)
        if known is not None:
            return known
        generator = self._generators.get(producer_of(obj))
        if generator is not None:
            for index, item in enumerate(generator):
                self._now[item_object_id(producer_of(obj), index)] = item
            if obj not in self._now:
                raise ReplayError(f"the generator that made {obj.hex()} ended before it came so far")
            return self._now[obj]
        values = self._scene.runner.values
        if values.is_alive(obj):
            self._engine.retain(obj)
            ref = ObjectRef(obj, self._engine)
        else:
            told = self._scene.past.value(obj)
            if told is None or not has_bytes(told):
                raise ReplayError(f"object {obj.hex()} is neither in the session nor in the log")
            if told.is_error:
                values.load(obj)
            ref = ObjectRef(self._engine.put(deserialize(told.data)), self._engine)
        self._now[obj] = ref
        return ref
