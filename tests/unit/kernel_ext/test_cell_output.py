"""What is published for a cell, where and how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cellray_kernel.cell_output import CellOutput, ValueDisplay
from cellray_kernel.cell_run import CellRun
from cellray_kernel.publisher import Bundle
from cellray_kernel.value_shown import Gathered, format_value

from tests.unit.kernel_ext.test_cell_run import WAIT_S, run_of
from tests.unit.kernel_ext.twin import TwinSession


class Recorder:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.created: list[tuple[str, Any]] = []
        self.shown: dict[str, list[Bundle]] = {}

    def enter_cell(self) -> Any:
        return "parent"

    def create(self, display_id: str, bundle: Bundle, parent: Any) -> None:
        self.created.append((display_id, parent))
        self.shown[display_id] = [bundle]

    def update(self, display_id: str, bundle: Bundle, *, is_final: bool) -> None:
        self.shown[display_id].append(bundle)

    def drain(self, timeout_s: float) -> None:
        pass

    def last(self) -> str:
        return str(self.shown[self.created[0][0]][-1].data["text/plain"])


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def session() -> Iterator[TwinSession]:
    with TwinSession() as twin:
        yield twin


def test_the_line_is_shown_at_once_and_again_only_when_something_changed(
    recorder: Recorder, session: TwinSession
) -> None:
    session.gate.clear()
    run = run_of(session, ["1"])
    output = CellOutput(recorder, "parent", run)
    run.on_change = output.changed
    assert output.refresh()
    assert recorder.created[0][1] == "parent"
    assert output.refresh()
    assert len(recorder.shown[recorder.created[0][0]]) == 1
    session.gate.set()
    assert run.wait(WAIT_S)
    while not output._is_changed:
        pass
    assert not output.refresh()
    assert recorder.last().startswith("In [5] done in")


def test_an_ordinary_cell_shows_nothing_until_something_is_printed(recorder: Recorder) -> None:
    output = CellOutput(recorder, "parent")
    assert not output.refresh()
    assert recorder.created == []
    output.write(b"1", "", "stdout", "hello\n", 0)
    assert not output.refresh()
    assert recorder.last() == "hello"
    output.write(b"1", "", "stderr", "again\n", 0)
    output.refresh()
    assert recorder.last() == "hello\nagain"


def test_lines_of_a_fan_out_are_whole_and_say_their_element(recorder: Recorder) -> None:
    output = CellOutput(recorder, "parent")
    output.write(b"1", "i=1", "stdout", "a", 0)
    output.write(b"2", "i=2", "stdout", "x\ny", 0)
    output.write(b"1", "i=1", "stdout", "b\n", 0)
    output.close()
    output.refresh()
    assert recorder.last() == "i=2 | x\ni=1 | ab\ni=2 | y"


def test_an_error_that_nobody_waits_for_is_shown_escaped_at_the_cell(recorder: Recorder, session: TwinSession) -> None:
    run = run_of(session, ["1/0"])
    assert run.wait(WAIT_S)
    output = CellOutput(recorder, "parent", run)
    output.render_failure = lambda run: ["Cell In[5]", "Error: <b>"]
    output.refresh()
    assert recorder.last().endswith("Cell In[5]\nError: <b>")
    html = recorder.shown[recorder.created[0][0]][-1].data["text/html"]
    assert "Error: &lt;b&gt;" in html


def test_the_value_comes_when_the_run_has_ended_well(recorder: Recorder, session: TwinSession) -> None:
    session.gate.clear()
    run = run_of(session, ["1"])
    display = ValueDisplay(
        recorder, "parent", run, lambda: {"a": 1}, lambda value: Bundle({"text/plain": repr(value)}, {}), reserve=True
    )
    assert display.refresh()
    assert recorder.last() == ""
    session.gate.set()
    assert run.wait(WAIT_S)
    assert not display.refresh()
    assert recorder.last() == "{'a': 1}"


@pytest.mark.parametrize("source", ["1/0", "None"])
def test_no_value_leaves_the_place_empty(recorder: Recorder, session: TwinSession, source: str) -> None:
    run: CellRun = run_of(session, [source])
    assert run.wait(WAIT_S)
    display = ValueDisplay(
        recorder, "parent", run, lambda: None, lambda value: Bundle({"text/plain": "shown"}, {}), reserve=True
    )
    assert not display.refresh()
    assert recorder.last() == ""


def test_a_cell_that_waits_shows_a_value_or_nothing_at_all(recorder: Recorder, session: TwinSession) -> None:
    for source, shown in (("1/0", []), ("5", ["5"])):
        run = run_of(session, [source])
        assert run.wait(WAIT_S)
        value = Bundle({"text/plain": "5"}, {})
        ValueDisplay(recorder, "parent", run, lambda: 5, lambda _, value=value: value, reserve=False).refresh()
        assert [bundles[-1].data["text/plain"] for bundles in recorder.shown.values()] == shown


def test_gathered_values_are_abbreviated() -> None:
    assert repr(Gathered([1, "a\nb"])) == "[1, 'a\\nb']"
    assert repr(Gathered(list(range(64)))) == "[0, 1, 2, 3, 4, 5, ..., 61, 62, 63] (64 values)"
    assert repr(Gathered([-1622.161407278102, 1.0, True])) == "[-1622.16, 1.0, True]"
    scalars = [np.float64(-1649.0206399459723), np.int8(3), np.bool_(False), np.array(2)]
    assert repr(Gathered(scalars)) == "[-1649.02, 3, False, 2]"
    assert len(repr(Gathered(["x" * 1000] * 1000))) < 900


def test_a_value_whose_display_fails_says_so() -> None:
    class Formatter:
        def format(self, value: object) -> None:
            raise ValueError("no picture")

    assert "no picture" in format_value(1, Formatter()).data["text/plain"]
