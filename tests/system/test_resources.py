"""What a node has, what of it is free, and what tasks get of it: CPUs, memory, GPUs, custom resources."""

from __future__ import annotations

import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import Session
from cellray.exceptions import TaskUnschedulableError

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.scripts import run_script

ARENA_BYTES = 100_000_000


@cellray.remote
def devices() -> tuple[str | None, int]:
    return os.environ.get("CUDA_VISIBLE_DEVICES"), os.getpid()


@cellray.remote
def gpu_ids() -> tuple[list[int] | list[str], list[str]]:
    return cellray.get_gpu_ids(), cellray.get_runtime_context().get_accelerator_ids()["GPU"]


@cellray.remote
def devices_at(gate: Gate) -> str | None:
    gate.arrive(os.environ.get("CUDA_VISIBLE_DEVICES"))
    gate.pass_through()
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@cellray.remote
def nest(depth: int) -> int:
    return 0 if depth == 0 else 1 + cellray.get(nest.remote(depth - 1))


def start(**options: Any) -> Session:
    return cellray.init(object_store_memory=ARENA_BYTES, log_to_driver=False, **options)


def test_what_there_is_and_what_is_free(tmp_path: Path) -> None:
    session = start(num_cpus=4, num_gpus=0, resources={"slot": 2}, _memory=2_000_000_000)
    total = cellray.cluster_resources()
    assert total == {"CPU": 4, "slot": 2, "memory": 2e9, "object_store_memory": ARENA_BYTES}
    assert cellray.available_resources() == total
    gate = Gate(tmp_path)
    held = devices_at.options(num_cpus=1.5, resources={"slot": 2}, memory=500_000_000).remote(gate)
    gate.wait_arrived(1)
    big = cellray.put(b"x" * 10_000_000)
    free = cellray.available_resources()
    assert (free["CPU"], free["memory"]) == (2.5, 1.5e9)
    assert "slot" not in free, "what is used up is left out, as in Ray"
    assert ARENA_BYTES - 11_000_000 < free["object_store_memory"] < ARENA_BYTES - 9_000_000
    gate.open()
    cellray.get(held)
    del big
    eventually(lambda: cellray.available_resources() == total, "all is free again")
    (node,) = cellray.nodes()
    assert node["Alive"]
    assert node["Resources"] == total
    assert node["NodeID"] == session.node_id == session["node_id"] == session.address_info["node_id"]
    with pytest.raises(TaskUnschedulableError, match=r"3\.7 GB memory \(the node has 1\.9 GB\)"):
        cellray.get(devices.options(memory=4_000_000_000).remote())


def test_arguments_of_init() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'num_cpu'"):
        start(num_cpu=1)
    with pytest.raises(ValueError, match="local_mode"):
        start(local_mode=True)
    with pytest.raises(ValueError, match=r"num_gpus=0\.5"):
        start(num_gpus=0.5)
    with pytest.raises(ValueError, match="/nowhere is not a valid directory"):
        start(runtime_env={"working_dir": "/nowhere"})
    assert not cellray.is_initialized()
    context = start(num_cpus=1, include_dashboard=False, dashboard_port=8265, logging_level="WARNING", _temp_dir="/x")
    assert logging.getLogger("cellray").level == logging.WARNING
    assert context.dashboard_url == ""
    assert context.address_info["session_dir"] == context.address
    assert start(ignore_reinit_error=True) is context
    assert cellray.cluster_resources()["memory"] > 0
    logging.getLogger("cellray").setLevel(logging.NOTSET)


def test_gpus_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    start(num_cpus=4, num_gpus=2)
    assert cellray.get(devices.remote())[0] is None
    gate = Gate(tmp_path)
    halves = [devices_at.options(num_gpus=0.5).remote(gate) for _ in range(4)]
    gate.wait_arrived(4)
    assert cellray.available_resources().get("GPU", 0) == 0
    gate.open()
    assert sorted(cellray.get(halves)) == ["0", "0", "1", "1"]
    assert cellray.get(devices.options(num_gpus=2).remote())[0] == "0,1"
    assert cellray.get(gpu_ids.options(num_gpus=2).remote()) == ([0, 1], ["0", "1"])
    assert cellray.get(gpu_ids.remote()) == ([], [])
    assert cellray.get_gpu_ids() == []
    seen = cellray.get([devices.remote() for _ in range(40)])
    assert {visible for visible, _ in seen} == {None}, "what has no GPU sees what the session was started with"

    @cellray.remote(num_gpus=1)
    class Holder:
        def devices(self) -> str | None:
            return os.environ.get("CUDA_VISIBLE_DEVICES")

    holders = [Holder.remote() for _ in range(2)]
    assert sorted(cellray.get([holder.devices.remote() for holder in holders])) == ["0", "1"]
    with pytest.raises(TaskUnschedulableError, match=r"3 GPU \(the node has 2\)"):
        cellray.get(devices.options(num_gpus=3).remote())
    with pytest.raises(ValueError, match=r"num_gpus=1\.5"):
        devices.options(num_gpus=1.5)


def test_gpus_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with pytest.raises(ValueError, match="num_gpus=3, but CUDA_VISIBLE_DEVICES='3,5' shows 2"):
        start(num_gpus=3)
    start(num_cpus=1)
    assert cellray.cluster_resources()["GPU"] == 2
    assert cellray.get(devices.options(num_gpus=1).remote())[0] == "3"
    assert cellray.get(devices.options(num_gpus=2).remote())[0] == "3,5"
    assert cellray.get(gpu_ids.options(num_gpus=2).remote()) == (["3", "5"], ["3", "5"])
    assert cellray.get(devices.remote())[0] == "3,5"


def test_nesting_fifty_deep_lends_cpus() -> None:
    start(num_cpus=1)
    assert cellray.get(nest.remote(50), timeout=100) == 50
    eventually(lambda: cellray.available_resources()["CPU"] == 1, "the CPU is back")


def test_waiting_for_what_ones_own_parent_holds_is_said() -> None:
    start(num_cpus=2, num_gpus=1)

    @cellray.remote(num_gpus=1)
    def child() -> None: ...

    @cellray.remote(num_gpus=1)
    def parent() -> None:
        cellray.get(child.remote())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        waiting = parent.remote()
        eventually(lambda: bool(caught), "a warning")
    assert "child waits for 1 CPU, 1 GPU, which tasks that wait in get() hold" in str(caught[0].message)
    cellray.cancel(waiting)
    with pytest.raises(cellray.exceptions.TaskCancelledError):
        cellray.get(waiting)


def test_timeline(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        cellray.timeline()
    start(num_cpus=2)
    cellray.get([devices.remote() for _ in range(300)])
    path = tmp_path / "trace.json"
    assert cellray.timeline(str(path)) is None
    events = json.loads(path.read_text())
    assert sum(event.get("cat") == "task" for event in events) == 300
    assert cellray.timeline() == events
    assert sum(event.get("cat") == "task" for event in cellray.timeline(limit=5) or ()) == 5


def test_a_worker_sees_the_same() -> None:
    output = run_script(
        """
        import cellray
        cellray.init(num_cpus=2, num_gpus=0, object_store_memory=64_000_000, _memory=1_000_000_000)
        @cellray.remote
        def look():
            return cellray.cluster_resources(), cellray.available_resources()["CPU"], cellray.nodes()[0]["NodeID"]
        total, free, node = cellray.get(look.remote())
        print(total == cellray.cluster_resources(), free, node == cellray.nodes()[0]["NodeID"])
        """
    )
    assert output.stdout.split() == ["True", "1.0", "True"], output
