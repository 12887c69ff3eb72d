"""An event log for cores without a node: what was logged of each task, and the answers to the core's questions."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from cellray.ids import ClientId, TaskId
from cellray.model import fact as f
from cellray.model.about import narrowed, prefix_of, subjects_of, time_of
from cellray.model.history import HistoryFound, TaskHistory, Told
from cellray.model.task import Function, TaskTemplate


class Past:
    """`questions` are those that the core asked; each is answered with all that is logged when it is."""

    def __init__(self) -> None:
        self.questions: deque[tuple[TaskId, ...]] = deque()
        self._told: defaultdict[bytes, list[Told]] = defaultdict(list)
        self._templates: dict[int, TaskTemplate] = {}
        self._functions: dict[bytes, Function] = {}
        self._sequence = 0

    def add(self, facts: Iterable[f.Fact | HistoryFound], source: ClientId) -> None:
        """The node logs these, as far as they are history."""
        self._sequence += 1
        for fact in facts:
            if isinstance(fact, (*f.UNLOGGED, HistoryFound)):
                continue
            if isinstance(fact, f.TemplateRegistered):
                self._templates[fact.template.template_id] = fact.template
            elif isinstance(fact, f.FunctionRegistered):
                self._functions[fact.function.function_hash] = fact.function
            for subject in subjects_of(fact):
                mine = narrowed(fact, TaskId(subject)) if isinstance(fact, f.TasksSubmitted) else fact
                self._told[subject].append(Told(self._sequence, "n", source, time_of(fact), mine))  # type: ignore[arg-type]

    def answer(self) -> HistoryFound:
        """To the oldest question."""
        task_ids = self.questions.popleft()
        return HistoryFound(
            task_ids, {task_id: history for task_id in task_ids if (history := self._of(task_id)) is not None}
        )

    def _of(self, task_id: TaskId) -> TaskHistory | None:
        facts = self._told.get(task_id, [])
        for told in facts:
            submission = told.fact
            if isinstance(submission, f.TasksSubmitted) and task_id.startswith(prefix_of(submission.parent_id)):
                (spec,) = submission.tasks
                template = self._templates[spec.template_id]
                function = self._functions.get(template.function_hash)
                return TaskHistory(
                    task_id, submission.parent_id, spec, template, function, told.sequence, told.at, tuple(facts)
                )
        return None
