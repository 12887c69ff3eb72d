"""The names of a placement group's resources, and what those that run in it take of them."""

from __future__ import annotations

from cellray.ids import GroupId, TaskId
from cellray.model.placement import Placement, original_name, resources_in, resources_of, sum_of
from cellray.model.task import make_resources

GROUP = GroupId(TaskId(bytes(range(16))))
HEX = GROUP.hex()
BUNDLES = (make_resources({"CPU": 1, "GPU": 0.5}), make_resources({"CPU": 2}))


def test_what_the_node_has_for_a_group() -> None:
    assert sum_of(BUNDLES) == make_resources({"CPU": 3, "GPU": 0.5})
    assert dict(resources_of(BUNDLES, GROUP)) == {
        f"CPU_group_{HEX}": 30_000,
        f"CPU_group_0_{HEX}": 10_000,
        f"CPU_group_1_{HEX}": 20_000,
        f"GPU_group_{HEX}": 5_000,
        f"GPU_group_0_{HEX}": 5_000,
        f"bundle_group_{HEX}": 20_000_000,
        f"bundle_group_0_{HEX}": 10_000_000,
        f"bundle_group_1_{HEX}": 10_000_000,
    }


def test_what_a_task_takes_of_it() -> None:
    demand = make_resources({"CPU": 1})
    anywhere = dict(resources_in(demand, Placement(GROUP)))
    assert anywhere == {f"CPU_group_{HEX}": 10_000, f"bundle_group_{HEX}": 10}
    in_bundle = dict(resources_in(demand, Placement(GROUP, 1)))
    assert in_bundle == {**anywhere, f"CPU_group_1_{HEX}": 10_000, f"bundle_group_1_{HEX}": 10}
    assert resources_in((), Placement(GROUP)) == ((f"bundle_group_{HEX}", 10),), "it waits for the group all the same"


def test_names() -> None:
    for name in (f"CPU_group_{HEX}", f"CPU_group_12_{HEX}"):
        assert original_name(name) == "CPU"
    assert original_name(f"my_group_group_3_{HEX}") == "my_group"
    for name in ("CPU", "GPU_group_x", "group", "a_group_1"):
        assert original_name(name) == name
