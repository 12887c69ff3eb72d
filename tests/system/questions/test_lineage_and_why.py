"""`cellray.lineage` and `cellray.why` in a real session, live and from the opened log."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray.exceptions import RayTaskError

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")


@cellray.remote
def load(x: int) -> int:
    return x


@cellray.remote
def held(gate: Gate) -> int:
    gate.arrive()
    gate.pass_through()
    return 1


@cellray.remote
def add(*xs: int) -> int:
    return sum(xs)


@cellray.remote
class Counter:
    def __init__(self, start: int) -> None:
        self.total = start

    def add(self, x: int) -> int:
        self.total += x
        return self.total

    def wait(self, gate: Gate) -> None:
        gate.arrive()
        gate.pass_through()


def names(nodes: Any) -> list[str]:
    return [node.function.rpartition(".")[2] for node in nodes if hasattr(node, "function")]


def test_the_lineage_of_a_result_has_what_it_was_made_from() -> None:
    result = add.remote(load.remote(1), add.remote(load.remote(2), load.remote(3)))
    assert cellray.get(result) == 6
    graph = cellray.lineage(result)
    assert sorted(names(graph.ancestors())) == ["add", "add", "load", "load", "load"]
    assert names(graph.critical_path())[-1] == "add"
    assert graph.totals()["load"].tasks == 3
    assert graph.start is not None
    assert graph.start.id == result.hex()
    with cellray.open_log() as log:
        assert cellray.lineage(result, log).to_json().split('"edges"')[1] == graph.to_json().split('"edges"')[1]
        later = load.remote(4)
        cellray.get(later)
        eventually(lambda: log.latest().totals() == {"finished": 6}, "an open log is read on")
        assert cellray.why(later, log).state == "inline"


def test_the_lineage_of_a_call_has_the_calls_before_it_and_the_creation() -> None:
    counter = Counter.remote(load.remote(5))
    refs = [counter.add.remote(x) for x in range(3)]
    assert cellray.get(refs) == [5, 6, 8]
    graph = cellray.lineage(refs[1])
    assert names(graph.ancestors()) == ["add", "add", "__init__", "load"]
    assert names(graph.ancestors(refs[1].task_id(), kinds={"stateful"})) == ["add", "__init__"]
    assert "add" in names(cellray.lineage(counter).descendants())


def test_why_something_waits_and_for_what(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    blocker = held.remote(gate)
    result = add.remote(blocker, load.remote(1))
    gate.wait_arrived()
    answer = cellray.why(result)
    assert [link.state for link in answer.chain] == ["waiting", "running"]
    assert answer.chain[0].waits_for == "argument"
    assert "1 of its 2 arguments" in str(answer)
    assert answer.root.id == blocker.task_id().hex()
    gate.open()
    assert cellray.get(result) == 2
    assert cellray.why(result).state == "inline"
    assert "finished" in str(cellray.why(result))


def test_why_a_task_gets_no_resources(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    blocker = held.remote(gate)
    gate.wait_arrived()
    big = load.options(num_cpus=2).remote(1)
    answer = cellray.why(big)
    assert (answer.state, answer.chain[0].waits_for) == ("ready", "resources")
    assert answer.chain[0].asked["CPU"] == 2
    assert answer.chain[0].holders == [blocker.task_id().hex()]
    gate.open()
    assert cellray.get(big) == 1


def test_why_a_call_waits_for_its_actor(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    counter = Counter.remote(0)
    counter.wait.remote(gate)
    gate.wait_arrived()
    call = counter.add.remote(1)
    answer = cellray.why(call)
    assert "with its actor, behind" in str(answer)
    assert "is busy with" in str(cellray.why(counter))
    gate.open()
    assert cellray.get(call) == 1
    cellray.kill(counter)
    with pytest.raises(cellray.exceptions.ActorDiedError):
        cellray.get(counter.add.remote(1))
    assert cellray.why(counter).state == "dead"
    assert "asked for by the driver" in str(cellray.why(counter))


def test_why_a_task_ran_again(tmp_path: Path) -> None:
    marker = tmp_path / "died"

    @cellray.remote
    def dies_once(path: str) -> int:
        if not os.path.exists(path):
            Path(path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    ref = dies_once.remote(str(marker))
    assert cellray.get(ref) == 1
    answer = cellray.why(ref)
    assert "this is attempt 2" in str(answer)
    assert "was killed by SIGKILL (9)" in str(answer)
    assert [(event.kind, event.attempt) for event in answer.before] == [("retried", 1)]


def test_why_a_task_failed_and_who_cancelled_it(tmp_path: Path) -> None:
    @cellray.remote
    def fails() -> None:
        raise ValueError("bad seed")

    after = add.remote(fails.remote())
    with pytest.raises(RayTaskError):
        cellray.get(after)
    answer = cellray.why(after)
    assert [link.state for link in answer.chain] == ["failed", "failed"]
    assert "ValueError: bad seed" in str(answer)
    gate = Gate(tmp_path)
    running = held.remote(gate)
    gate.wait_arrived()
    cellray.cancel(running)
    with pytest.raises(cellray.exceptions.TaskCancelledError):
        cellray.get(running)
    assert "the driver (process" in str(cellray.why(running))
    assert "cellray.cancel()" in str(cellray.why(running))


def test_what_the_log_does_not_know_is_an_error_that_says_so() -> None:
    with pytest.raises(TypeError, match="names no task or object"):
        cellray.why(3)
    with cellray.open_log() as log, pytest.raises(cellray.exceptions.CellrayError, match="this log has nothing about"):
        cellray.lineage(b"?" * 16, log)
