"""Questions to an event log: the one implementation of `ports.History`, on any `ports.LogReader`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from cellray.gcs.log_index import function_key, subject_key, template_key
from cellray.ids import FunctionHash, ObjectId, TaskId, TemplateId
from cellray.model.about import narrowed, prefix_of, subjects_of, time_of
from cellray.model.fact import Fact, FunctionRegistered, TasksSubmitted, TemplateRegistered, decode_facts
from cellray.model.history import TaskHistory, Told
from cellray.model.task import Function, TaskTemplate
from cellray.ports import LogReader, LogRecord

READ_AT_ONCE = 500


class LogHistory:
    """See `ports.History`. Closes the reader with itself.

    `unreadable` are the sequences of records met of which nothing can be made; they are passed over.
    """

    def __init__(self, reader: LogReader) -> None:
        self.unreadable: set[int] = set()
        self._reader = reader
        self._templates: dict[TemplateId, TaskTemplate] = {}
        self._functions: dict[FunctionHash, Function] = {}

    def find(self, task_ids: Iterable[TaskId]) -> dict[TaskId, TaskHistory]:
        """See `ports.History`: one read for all tasks, two more for templates and functions not met yet."""
        told = self._told_of(task_ids)
        found: dict[TaskId, TaskHistory] = {}
        for subject, facts in told.items():
            history = _history(TaskId(subject), facts)
            if history is not None:
                found[history.task_id] = history
        self._load_templates({history.spec.template_id for history in found.values()})
        for task_id, history in found.items():
            template = self._templates.get(history.spec.template_id)
            function = self._functions.get(template.function_hash) if template is not None else None
            found[task_id] = history._replace(template=template, function=function)
        return found

    def find_puts(self, object_ids: Iterable[ObjectId]) -> dict[ObjectId, tuple[Told, ...]]:
        """See `ports.History`: one read."""
        return {ObjectId(subject): tuple(facts) for subject, facts in self._told_of(object_ids).items() if facts}

    def iter(self, after: int = 0) -> Iterator[Told]:
        """See `ports.History`."""
        last = self._reader.last_sequence()
        while after < last and (records := self._reader.read(after, READ_AT_ONCE)):
            for record in records:
                if record.sequence > last:
                    return
                for fact in self._facts(record):
                    yield _told(record, fact)
            after = records[-1].sequence

    def last_sequence(self) -> int:
        """See `ports.History`."""
        return self._reader.last_sequence()

    def close(self) -> None:
        """See `ports.History`."""
        self._reader.close()

    def _told_of(self, subjects: Iterable[bytes]) -> dict[bytes, list[Told]]:
        """The facts about each of these."""
        told: dict[bytes, list[Told]] = {bytes(subject): [] for subject in subjects}
        keys = sorted({subject_key(subject) for subject in told})
        for record in self._reader.find(keys) if keys else ():
            for fact in self._facts(record):
                for subject in subjects_of(fact):
                    facts = told.get(subject)
                    if facts is not None:
                        mine = narrowed(fact, TaskId(subject)) if isinstance(fact, TasksSubmitted) else fact
                        facts.append(_told(record, mine))
        return told

    def _load_templates(self, wanted: set[TemplateId]) -> None:
        """Have these and their functions, as far as the log has them."""
        missing = [template_key(template) for template in wanted if template not in self._templates]
        if missing:
            self._learn(self._reader.find(missing, first_only=True))
        hashes = {self._templates[template].function_hash for template in wanted if template in self._templates}
        unknown = [function_key(name) for name in hashes if name and name not in self._functions]
        if unknown:
            self._learn(self._reader.find(unknown, first_only=True))

    def _learn(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            for fact in self._facts(record):
                if isinstance(fact, TemplateRegistered):
                    self._templates[fact.template.template_id] = fact.template
                elif isinstance(fact, FunctionRegistered):
                    self._functions[fact.function.function_hash] = fact.function

    def _facts(self, record: LogRecord) -> list[Fact]:
        try:
            return decode_facts(record.facts)
        except msgspec.MsgspecError:
            self.unreadable.add(record.sequence)
            return []


def _told(record: LogRecord, fact: Fact) -> Told:
    return Told(record.sequence, record.node_id, record.source, time_of(fact), fact)  # type: ignore[arg-type]


def _history(task_id: TaskId, facts: Sequence[Told]) -> TaskHistory | None:
    """Without template and function; None when there is no submission among the facts."""
    for told in facts:
        submission = told.fact
        if isinstance(submission, TasksSubmitted) and task_id.startswith(prefix_of(submission.parent_id)):
            spec = submission.tasks[0]
            return TaskHistory(
                task_id, submission.parent_id, spec, None, None, told.sequence, submission.at, tuple(facts)
            )
    return None
