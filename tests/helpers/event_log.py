"""The event log of a running session, as facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cellray import Session
from cellray.gcs.address import parse_address
from cellray.gcs.log_reader import RedisLogReader
from cellray.ids import SessionId, TaskId, child_task_id, children_prefix
from cellray.model.fact import Fact, TasksSubmitted, decode_facts
from cellray.model.task import TaskSpec

from tests.helpers.polling import eventually

RECORDS_MAX = 100_000
F = TypeVar("F", bound=Fact)


def read_facts(session: Session) -> list[Fact]:
    """All facts in the log now, in the order of the log."""
    reader = RedisLogReader(parse_address(session.gcs_url), SessionId(session.session_id), timeout_s=10)
    try:
        return [fact for record in reader.read(0, RECORDS_MAX) for fact in decode_facts(record.facts)]
    finally:
        reader.close()


def facts_once(session: Session, is_there: Callable[[list[Fact]], object], what: str) -> list[Fact]:
    """The facts, as soon as `is_there` finds in them what it looks for."""
    found: list[Fact] = []

    def look() -> bool:
        found[:] = read_facts(session)
        return bool(is_there(found))

    eventually(look, what)
    return found


def of_type(facts: list[Fact], kind: type[F]) -> list[F]:
    """The facts of one kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


def submitted(facts: list[Fact]) -> dict[TaskId, TaskSpec]:
    """Every submitted task; fails when one was submitted twice."""
    found: dict[TaskId, TaskSpec] = {}
    for batch in of_type(facts, TasksSubmitted):
        prefix = children_prefix(batch.parent_id)
        for spec in batch.tasks:
            task_id = child_task_id(prefix, spec.index)
            assert task_id not in found, f"task {task_id.hex()} was submitted twice"
            found[task_id] = spec
    return found
