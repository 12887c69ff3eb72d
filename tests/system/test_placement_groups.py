"""Placement groups and scheduling strategies, with real processes."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import Session
from cellray.exceptions import (
    ActorPlacementGroupRemoved,
    GetTimeoutError,
    TaskPlacementGroupRemoved,
    TaskUnschedulableError,
)
from cellray.util import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from cellray.util.placement_group import PlacementGroup
from cellray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"bundles": {"CPU": 1}}, "must be a list"),
    ({"bundles": []}, "non-empty list"),
    ({"bundles": [3]}, "non-empty list of resource dictionaries"),
    ({"bundles": [{"CPU": "1"}]}, "non-empty list of resource dictionaries"),
    ({"bundles": [{}]}, "empty dictionary"),
    ({"bundles": [{"CPU": 0}]}, "only 0 values"),
    ({"bundles": [{"CPU": -1}]}, "at least 0"),
    ({"bundles": [{"CPU": 1}], "strategy": "TIGHT"}, "Invalid placement group strategy TIGHT"),
    ({"bundles": [{"CPU": 1}], "lifetime": "long"}, "lifetime"),
]


@cellray.remote
def current() -> PlacementGroup | None:
    return get_current_placement_group()


@cellray.remote
def visible() -> str | None:
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@cellray.remote
def wait_at(gate: Gate) -> None:
    gate.arrive()
    gate.pass_through()


@cellray.remote
def context() -> tuple[str | None, bool]:
    found = cellray.get_runtime_context()
    return found.get_placement_group_id(), found.should_capture_child_tasks_in_placement_group


@cellray.remote
def ask_child() -> tuple[PlacementGroup | None, PlacementGroup | None]:
    return get_current_placement_group(), cellray.get(current.remote())


@cellray.remote(num_cpus=1)
class Member:
    def group(self) -> PlacementGroup | None:
        return get_current_placement_group()

    def pid(self) -> int:
        return os.getpid()


def start(**options: Any) -> Session:
    return cellray.init(object_store_memory=64_000_000, log_to_driver=False, **options)


def within(group: PlacementGroup | None, index: int = -1, **options: Any) -> dict[str, Any]:
    return {"scheduling_strategy": PlacementGroupSchedulingStrategy(group, index, **options)}


def test_reserving_using_and_removing(tmp_path: Path) -> None:
    start(num_cpus=4, num_gpus=2)
    group = placement_group([{"CPU": 1, "GPU": 1}, {"CPU": 2}], strategy="PACK", name="mine")
    assert cellray.get(group.ready()) == group
    assert group.wait(10)
    assert group.bundle_specs == [{"CPU": 1.0, "GPU": 1.0}, {"CPU": 2.0}]
    assert group.bundle_count == 2
    assert cellray.available_resources()["CPU"] == 1
    assert cellray.cluster_resources()["CPU"] == 4, "the group's names for its share are not shown"
    assert get_placement_group("mine") == pickle.loads(pickle.dumps(group)) == group
    assert placement_group_table(group)["state"] == "CREATED"
    assert placement_group_table()[group.id.hex()]["bundles"] == {0: {"CPU": 1.0, "GPU": 1.0}, 1: {"CPU": 2.0}}
    assert cellray.get(current.options(**within(group)).remote()) == group
    assert cellray.get(current.options(placement_group=group, placement_group_bundle_index=1).remote()) == group
    assert cellray.get(current.remote()) is None
    in_group = cellray.get(visible.options(num_gpus=1, **within(group, 0)).remote())
    assert {in_group, cellray.get(visible.options(num_gpus=1).remote())} == {"0", "1"}, "the other one is not its"

    gate = Gate(tmp_path)
    running = wait_at.options(num_cpus=2, **within(group, 1)).remote(gate)
    gate.wait_arrived(1)
    queued = current.options(num_cpus=2, **within(group, 1)).remote()
    with pytest.raises(GetTimeoutError):
        cellray.get(queued, timeout=0.2)
    remove_placement_group(group)
    for ref in (running, queued, current.options(**within(group)).remote()):
        with pytest.raises(TaskPlacementGroupRemoved, match="was removed"):
            cellray.get(ref, timeout=30)
    eventually(lambda: cellray.available_resources()["CPU"] == 4, "all is back")
    assert placement_group_table(group)["state"] == "REMOVED"
    with pytest.raises(ValueError, match="Failed to look up placement group with name: mine"):
        get_placement_group("mine")
    assert len(cellray.get([current.remote() for _ in range(20)])) == 20


def test_actors_and_children() -> None:
    start(num_cpus=3)
    group = placement_group([{"CPU": 1}, {"CPU": 1}])
    member = Member.options(**within(group, 0)).remote()
    assert cellray.get(member.group.remote()) == group
    captured = ask_child.options(**within(group, placement_group_capture_child_tasks=True))
    assert cellray.get(captured.remote()) == (group, group)
    assert cellray.get(ask_child.options(**within(group)).remote()) == (group, None)
    assert cellray.get(context.options(**within(group)).remote()) == (group.id.hex(), False)
    assert cellray.get(context.remote()) == (None, False)
    assert cellray.get(captured.remote()) == (group, group), "what a worker submitted before makes no difference"
    assert cellray.get(ask_child.remote()) == (None, None)
    assert cellray.get(current.options(**within(None)).remote()) is None
    remove_placement_group(group)
    with pytest.raises(ActorPlacementGroupRemoved, match="Member"):
        cellray.get(member.pid.remote(), timeout=30)


def test_what_can_never_be_is_said_at_once() -> None:
    start(num_cpus=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        apart = placement_group([{"CPU": 1}] * 2, strategy="STRICT_SPREAD")
        with pytest.raises(TaskUnschedulableError, match="STRICT_SPREAD over 2 nodes, and this session has 1"):
            cellray.get(apart.ready())
        too_large = placement_group([{"CPU": 2}] * 2, name="large")
        with pytest.raises(TaskUnschedulableError, match=r"large asks for 4 CPU \(the node has 2\)"):
            too_large.wait(5)
        eventually(lambda: len(caught) == 2, "the driver is warned of each")
    for strategy in ("PACK", "SPREAD", "STRICT_PACK"):
        fine = placement_group([{"CPU": 1}] * 2, strategy=strategy)
        assert fine.wait(10)
        remove_placement_group(fine)
    fine = placement_group([{"CPU": 1}, {"CPU": 1}])
    with pytest.raises(ValueError, match="cannot fit into any bundles"):
        current.options(num_cpus=2, **within(fine)).remote()
    with pytest.raises(ValueError, match="bundle index 2 is invalid"):
        current.options(**within(fine, 2)).remote()
    waiting = placement_group([{"CPU": 2}])
    assert not waiting.wait(0.1)
    remove_placement_group(fine)
    assert waiting.wait(10)


def test_bad_bundles(session: Session) -> None:
    for arguments, words in REFUSED:
        with pytest.raises(ValueError, match=words):
            placement_group(**arguments)


def test_nodes_and_strategies(session: Session) -> None:
    here = NodeAffinitySchedulingStrategy(session.node_id, soft=False)
    there = NodeAffinitySchedulingStrategy("f" * 56, soft=False)
    perhaps = NodeAffinitySchedulingStrategy("f" * 56, soft=True)
    for strategy in (here, perhaps, "DEFAULT", "SPREAD", None):
        assert cellray.get(current.options(scheduling_strategy=strategy).remote()) is None
    with pytest.raises(TaskUnschedulableError, match=f"no such node in this session, only {session.node_id}"):
        cellray.get(current.options(scheduling_strategy=there).remote())
    with pytest.raises(ValueError, match="Invalid scheduling_strategy: 'PACKED'"):
        current.options(scheduling_strategy="PACKED")
    with pytest.raises(TypeError, match="scheduling_strategy=3"):
        current.options(scheduling_strategy=3)
    with pytest.raises(ValueError, match="Failed to look up"):
        get_placement_group("nobody")
