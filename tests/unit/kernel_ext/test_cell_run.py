"""One run of a cell, and what running it again does to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from cellray_kernel.cell_run import CellRun, CellRuns
from cellray_kernel.options import RemoteOptions
from cellray_kernel.remote_cell import CellCode

from tests.helpers.polling import eventually
from tests.unit.kernel_ext.twin import TwinRef, TwinSession

WAIT_S = 30


@pytest.fixture
def session() -> Iterator[TwinSession]:
    with TwinSession() as twin:
        yield twin


def submit(session: TwinSession, source: str, **given: object) -> TwinRef:
    code = CellCode(f"%%remote\n{source}", 2, "Cell In[5]", (), has_value=True)
    (ref,) = session.submit(code, given, {}, 1, "In [5]", RemoteOptions())
    return ref


def run_of(session: TwinSession, sources: list[str], label: str = "In [5]", *, fail_fast: bool = False) -> CellRun:
    run = CellRun(session, label, expected=len(sources), fail_fast=fail_fast)
    for number, source in enumerate(sources):
        run.add(submit(session, source), f"i={number}")
    run.complete()
    return run


def test_counts_and_the_first_failure_by_order_of_submission(session: TwinSession) -> None:
    session.gate.clear()
    run = run_of(session, ["1", "1/0", "2", "[][0]"])
    assert run.progress().phase == "running"
    assert not run.is_ended
    session.gate.set()
    assert run.wait(WAIT_S)
    progress = run.progress()
    assert (progress.total, progress.finished, progress.failed, progress.phase) == (4, 2, 2, "failed")
    assert run.first_failure is not None
    assert run.first_failure.element == "i=1"
    assert isinstance(run.first_failure.error, ZeroDivisionError)


def test_a_run_with_tasks_still_to_come_has_not_ended(session: TwinSession) -> None:
    run = CellRun(session, "In [5]", expected=2)
    run.add(submit(session, "1"))
    assert not run.wait(0)
    run.complete()
    assert run.wait(WAIT_S)
    assert run.progress().total == 1


def test_no_tasks_at_all_end_at_once(session: TwinSession) -> None:
    assert run_of(session, []).wait(0)


def test_cancelling_says_why_and_leaves_what_has_ended(session: TwinSession) -> None:
    done = run_of(session, ["1"])
    assert done.wait(WAIT_S)
    assert done.cancel("too late") == 0
    assert done.progress().note == ""
    session.gate.clear()
    run = run_of(session, ["1", "2"])
    assert run.cancel("interrupted") == 2
    session.gate.set()
    assert run.wait(WAIT_S)
    assert (run.progress().phase, run.progress().note) == ("cancelled", "interrupted")


def test_fail_fast_cancels_the_rest(session: TwinSession) -> None:
    run = CellRun(session, "In [5]", expected=3, fail_fast=True)
    run.add(submit(session, "1/0"))
    while not run.failures:
        time.sleep(0.001)
    session.gate.clear()
    waiting = submit(session, "1")
    run.add(waiting)
    run.add(submit(session, "1/0"))
    run.complete()
    assert run.cancel("stopped") == 2
    assert waiting in session.cancelled


def test_running_a_cell_again_ends_its_previous_run(session: TwinSession) -> None:
    session.gate.clear()
    runs = CellRuns()
    first = run_of(session, ["1", "2"], "In [5]")
    runs.begin("cell", first)
    assert runs.supersede("another cell", [], "In [6]") == ""
    assert runs.supersede("cell", [], "In [6]") == "replaces the run of In [5] (2 cancelled)"
    assert first.progress().note == "superseded by In [6]"
    assert runs.supersede("cell", [], "In [7]") == ""


def test_a_previous_run_whose_result_is_taken_goes_on(session: TwinSession) -> None:
    session.gate.clear()
    runs = CellRuns()
    ref = submit(session, "1")
    run = CellRun(session, "In [5]")
    run.add(ref)
    run.complete()
    runs.begin("cell", run)
    assert runs.supersede("cell", [ref], "In [6]") == ""
    assert session.cancelled == []
    session.gate.set()


def test_clients_that_name_no_cells_have_nothing_superseded(session: TwinSession) -> None:
    session.gate.clear()
    runs = CellRuns()
    runs.begin(None, run_of(session, ["1"]))
    assert runs.supersede(None, [], "In [6]") == ""
    session.gate.set()


def test_the_rate_is_that_of_late_and_not_of_the_start(session: TwinSession) -> None:
    now = 0.0
    run = CellRun(session, "In [5]", expected=10, clock=lambda: now)
    refs = [submit(session, "1") for _ in range(5)]
    now = 60.0  # what workers took to start
    for ref in refs:
        ref.value()
        run.add(ref)
        eventually(lambda: run.progress().finished == len(run.elements), "its end is counted")
        now += 0.5
    assert run.progress().rate_per_s == pytest.approx(4 / 2.5)
    now += 60
    assert run.progress().rate_per_s == 0
