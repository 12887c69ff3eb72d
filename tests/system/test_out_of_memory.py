"""A machine whose memory runs out, by a threshold that is passed already: tasks are ended, the session goes on."""

from __future__ import annotations

import time
from pathlib import Path

import cellray
import pytest
from cellray.exceptions import ActorDiedError, OutOfMemoryError

from tests.helpers.gates import Gate

pytestmark = pytest.mark.filterwarnings("ignore:Memory runs out")


@pytest.fixture(autouse=True)
def full(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All memory is too much."""
    monkeypatch.setenv("CELLRAY_MEMORY_USAGE_THRESHOLD", "0.000001")
    monkeypatch.setenv("CELLRAY_MEMORY_MONITOR_REFRESH_MS", "100")
    cellray.init(num_cpus=1, object_store_memory=64_000_000, log_to_driver=False)


@cellray.remote(max_retries=1)
def greedy(gate: Gate) -> None:
    gate.arrive()
    time.sleep(60)


@cellray.remote
class Idle:
    def pid(self) -> int:
        time.sleep(60)
        return 0


def test_a_task_is_tried_again_and_then_fails_with_the_reason(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with pytest.raises(OutOfMemoryError, match=r"in attempt 2 and the last\.") as caught:
        cellray.get(greedy.remote(gate), timeout=60)
    assert isinstance(caught.value, MemoryError)
    assert "was ended for want of memory (" in str(caught.value)
    assert len(gate.pids) <= 2


def test_an_actors_calls_say_so() -> None:
    with pytest.raises(ActorDiedError, match="was ended for want of memory"):
        cellray.get(Idle.remote().pid.remote(), timeout=60)
