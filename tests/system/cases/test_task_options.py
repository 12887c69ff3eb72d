"""Options of tasks, by what they do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cellray
import psutil
import pytest
from cellray import Session
from cellray.exceptions import TaskError
from cellray.model.fact import Fact, TaskRetried, TemplateRegistered

from tests.helpers.event_log import facts_once, of_type
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")


class UnluckyError(OSError):
    """Raised by tasks of this file."""


@cellray.remote
def pid() -> int:
    return os.getpid()


@cellray.remote
def raise_before(attempts: int, gate: Gate, error: Exception) -> int:
    """Raises in its first `attempts`, and returns in which it did not."""
    before = len(gate.pids)
    gate.arrive()
    if before < attempts:
        raise error
    return before


RETRIES: dict[str, tuple[dict[str, Any], Exception, int | None]] = {
    "never, unless asked": ({}, ValueError(), None),
    "all": ({"retry_exceptions": True}, ValueError(), 2),
    "all, as often as allowed": ({"retry_exceptions": True, "max_retries": 1}, ValueError(), None),
    "without end": ({"retry_exceptions": True, "max_retries": -1}, ValueError(), 2),
    "of this class": ({"retry_exceptions": [ValueError]}, ValueError(), 2),
    "of a class above": ({"retry_exceptions": (OSError, KeyError)}, UnluckyError(), 2),
    "of a class of one's own": ({"retry_exceptions": [UnluckyError]}, UnluckyError(), 2),
    "not of a class below": ({"retry_exceptions": [UnluckyError]}, OSError(), None),
    "not of another class": ({"retry_exceptions": [KeyError, TypeError]}, ValueError(), None),
    "of no class": ({"retry_exceptions": []}, ValueError(), None),
}
"""Which options, which error in the first two attempts, and in which attempt (from 0) it succeeds, if it does."""


@pytest.mark.parametrize("case", RETRIES)
def test_exceptions_are_retried(case: str, tmp_path: Path) -> None:
    options, error, attempt = RETRIES[case]
    gate = Gate(tmp_path)
    ref = raise_before.options(**options).remote(2, gate, error)
    if attempt is not None:
        assert cellray.get(ref) == attempt
    else:
        with pytest.raises(type(error)) as caught:
            cellray.get(ref)
        assert isinstance(caught.value, TaskError)
        assert len(gate.pids) == 1 + (options.get("retry_exceptions") is True and options["max_retries"])


def test_an_error_out_of_a_nested_task_is_retried_by_its_class(session: Session, tmp_path: Path) -> None:
    @cellray.remote(retry_exceptions=[UnluckyError])
    def outer(gate: Gate) -> Any:
        return cellray.get(raise_before.remote(1, gate, UnluckyError()))

    ref = outer.remote(Gate(tmp_path))
    assert cellray.get(ref) == 1

    def is_logged(facts: list[Fact]) -> bool:
        return ref.task_id() in {fact.task_id for fact in of_type(facts, TaskRetried)}

    facts_once(session, is_logged, "the retry is logged")


def test_a_worker_ends_after_max_calls() -> None:
    once = cellray.remote(max_calls=1)(os.getpid)
    pids = cellray.get([once.remote() for _ in range(4)])
    assert len(set(pids)) == 4
    eventually(lambda: not any(map(psutil.pid_exists, pids)), "their processes have ended")

    @cellray.remote(max_calls=3, num_cpus=2)
    def thrice() -> int:
        return os.getpid()

    pids = cellray.get([thrice.remote() for _ in range(7)])
    assert [pids.count(each) for each in dict.fromkeys(pids)] == [3, 3, 1]
    assert len(set(cellray.get([pid.remote() for _ in range(20)]))) <= 2


def test_max_calls_is_no_failure(session: Session) -> None:
    @cellray.remote(max_calls=1, max_retries=0)
    def nested() -> int:
        return cellray.get(cellray.remote(max_calls=1)(os.getpid).remote())

    assert len(set(cellray.get([nested.remote() for _ in range(3)]))) == 3


def test_names_and_options_without_effect(session: Session) -> None:
    options: dict[str, Any] = {"name": "named by hand", "_metadata": {"a": 1}, "enable_task_events": False}
    assert cellray.get(pid.options(**options).remote()) > 0

    def is_named(facts: list[Fact]) -> bool:
        return "named by hand" in {fact.template.name for fact in of_type(facts, TemplateRegistered)}

    facts_once(session, is_named, "the name is in the log")


def test_no_returns(tmp_path: Path) -> None:
    gate = Gate(tmp_path)

    @cellray.remote(num_returns=0)
    def nothing() -> int:
        gate.arrive()
        return 1

    assert nothing.remote() is None
    gate.wait_arrived()
