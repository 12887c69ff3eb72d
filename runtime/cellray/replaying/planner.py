"""Which tasks of the past a change concerns: they run again, and with them what they need and nobody has any more."""

from __future__ import annotations

from typing import Any

from cellray.core.outcome import end_of
from cellray.errors import ReplayError
from cellray.ids import ObjectId, TaskId, actor_object_id, is_put, producer_of, return_object_id, short_task_id
from cellray.model.actor import actor_of_call
from cellray.model.fact import TaskFailed, TaskFinished
from cellray.model.history import TaskHistory
from cellray.replaying.changes import Changes, Code
from cellray.replaying.functions import function_of
from cellray.replaying.past import is_anonymous, name_of
from cellray.replaying.plan import RerunPlan, RerunStep
from cellray.replaying.runner import template_in
from cellray.replaying.task import Scene
from cellray.serialization import STORED_ARGUMENTS, deserialize_arguments


class Planner:
    """Of one rerun of `target`. `others` are the objects that others take the place of. `code` has what tasks will
    call, if that is not what they called then, `exchanged` the shared arguments in which code changes; `reasons` why
    each task runs that does."""

    def __init__(self, scene: Scene, target: TaskHistory, changes: Changes, others: set[ObjectId]) -> None:
        self.scene = scene
        self.target = target
        self.code: dict[TaskId, Code] = {}
        self.reasons: dict[TaskId, str] = {}
        self.order: list[TaskHistory] = []
        self.changes = changes
        self.exchanged: dict[ObjectId, Any] = {}
        self._others = others
        self._past = scene.past

    def plan(self, why_target: str) -> RerunPlan:
        """Look at all that the target depends on. `why_target` says what is new about it itself, if anything is.

        Raises ReplayError when something that has to run cannot, ValueError when functions were to change that none of
        these tasks uses.
        """
        self.order = self._in_order()
        if why_target:
            self.reasons[self.target.task_id] = why_target
        for history in self.order:
            if history.task_id not in self.reasons:
                reason = self._reason(history)
                if reason:
                    self.reasons[history.task_id] = reason
        if self.changes.unused:
            raise ValueError(
                f"{name_of(self.target)} depends on no task that uses {' or '.join(self.changes.unused)}. It depends "
                f"on {', '.join(sorted({function_name(each) for each in self.order}))}."
            )
        self._add_missing()
        self._refuse_doubled_calls()
        means = self._means()
        steps = tuple(
            RerunStep(
                each.task_id,
                template_in(each).name,
                function_name(each),
                self.reasons[each.task_id],
                means.get(function_name(each), 0.0),
            )
            for each in self.order
            if each.task_id in self.reasons
        )
        return RerunPlan(steps, len(self.order) - len(steps))

    def inputs(self, history: TaskHistory) -> list[ObjectId]:
        """The objects that a task needs, whether it waits for them or finds them inside of its arguments; for a call,
        the call before it, and the creation, stand for the state of the actor."""
        spec = history.spec
        inputs = [*spec.dependencies, *spec.contained]
        for obj in spec.dependencies:
            value = self._past.value(obj) if is_put(obj) else None
            inputs += value.contained if value is not None else ()
        if template_in(history).method:
            inputs.append(return_object_id(self._before(history), 0))
        return [obj for obj in dict.fromkeys(inputs) if producer_of(obj) != history.task_id]

    def _before(self, call: TaskHistory) -> TaskId:
        """The call of the same actor that ended before this one, or the creation."""
        actor_id = actor_of_call(call.spec.contained)
        life = self.scene.runner.states.life(actor_id)
        place = life.calls.index(call.task_id) if call.task_id in life.calls else len(life.calls)
        return life.calls[place - 1] if place else TaskId(actor_id)

    def _in_order(self) -> list[TaskHistory]:
        """All tasks that the target depends on, and itself as the last, each after what it needs itself."""
        order: list[TaskHistory] = []
        seen: set[TaskId] = set()
        todo = [(self.target, False)]
        while todo:
            history, is_done = todo.pop()
            if is_done:
                order.append(history)
                continue
            if history.task_id in seen:
                continue
            seen.add(history.task_id)
            todo.append((history, True))
            producers = [producer_of(obj) for obj in self.inputs(history) if not is_put(obj)]
            self._past.fetch(producers)
            for producer in reversed(producers):  # the first one on top: they run in the order of the arguments
                found = self._past.task(producer)
                if found is not None and found.template is not None and found.template.group is None:
                    todo.append((found, False))
        return order

    def _reason(self, history: TaskHistory) -> str:
        """Why a task has to run again; empty if it need not."""
        if history.function is not None and not template_in(history).method:
            code, changed = self.changes.applied(function_of(history, is_private=True), history.function)
            if changed:
                self.code[history.task_id] = code
            elif is_anonymous(history):
                changed = self._changed_in_arguments(history)
            if changed:
                return f"{changed} is new"
        for obj in self.inputs(history):
            if obj in self._others:
                return "an input is new"
            if producer_of(obj) in self.reasons and not is_put(obj):
                return f"it needs {self._short(producer_of(obj))}"
        return ""

    def _changed_in_arguments(self, history: TaskHistory) -> str:
        """What changes in arguments that are code; such as many tasks share are objects of their own."""
        spec, found = history.spec, []
        if spec.args != STORED_ARGUMENTS:
            found.append(self.changes.applied_to(deserialize_arguments(spec.args, [None] * len(spec.dependencies))))
        for obj in spec.dependencies:
            if is_put(obj) and obj not in self.exchanged and obj not in self._others and self._can_be_had(obj):
                value = self.scene.runner.values.load(obj)
                found.append(self.changes.applied_to(value))
                if found[-1]:
                    self.exchanged[obj] = value
            elif obj in self.exchanged:
                found.append("what it shares with others")
        return next(filter(None, found), "")

    def _add_missing(self) -> None:
        """What the tasks that run need, and what is nowhere to be had, is made again too."""
        for history in reversed(self.order):
            if history.task_id not in self.reasons:
                continue
            is_call = bool(template_in(history).method)
            state = return_object_id(self._before(history), 0) if is_call else None
            actor = actor_object_id(actor_of_call(history.spec.contained)) if is_call else None
            for obj in self.inputs(history):
                producer = producer_of(obj)
                if producer in self.reasons or obj in self._others or obj in self.exchanged:
                    continue
                if obj in (state, actor):
                    self.reasons[producer] = "the state of its actor is needed"
                elif not self._can_be_had(obj):
                    if is_put(obj):
                        self.scene.runner.values.load(obj)  # raises, and says why
                    self.reasons[producer] = "its value is gone"

    def _refuse_doubled_calls(self) -> None:
        """What a task that runs calls itself must not be called for it as well: an actor would notice."""
        for history in self.order:
            if {history.task_id, history.parent_id} <= self.reasons.keys() and template_in(history).method:
                raise ReplayError(
                    f"{name_of(history)} is a call that {self._short(history.parent_id)} makes, which runs again too: "
                    "the new actor would get it twice. Rerun a result that does not pass through such a call."
                )

    def _can_be_had(self, obj: ObjectId) -> bool:
        history = self._past.task(producer_of(obj))
        if history is not None and history.template is not None and history.template.actor is not None:
            return self.scene.runner.values.is_alive(obj)
        return self.scene.runner.values.is_at_hand(obj)

    def _short(self, task_id: TaskId) -> str:
        history = self._past.task(task_id)
        return template_in(history).name if history is not None else short_task_id(task_id)

    def _means(self) -> dict[str, float]:
        """Seconds by function, of all that the target depends on."""
        spent: dict[str, list[float]] = {}
        for history in self.order:
            end: Any = end_of(history)
            if isinstance(end, TaskFinished | TaskFailed) and end.started_at:
                spent.setdefault(function_name(history), []).append(max(0.0, end.finished_at - end.started_at))
        return {name: sum(each) / len(each) for name, each in spent.items()}


def function_name(history: TaskHistory) -> str:
    """The function's name as views have it, `C.method` for calls."""
    template = template_in(history)
    name = (history.function.name if history.function is not None else "") or template.name
    name = name.rpartition("<locals>.")[2]
    if template.actor is not None:
        return f"{name}.__init__"
    return f"{name}.{template.method}" if template.method else name
