"""GPUs by number: whole ones alone, fractions together, groups with what is theirs."""

from __future__ import annotations

import pytest
from cellray.core.accelerators import Devices, DeviceTable, uses_devices
from cellray.model.task import make_resources

CASES = [
    # in use on each of three GPUs, asked for, what is found
    ((0, 0, 0), 0, ()),
    ((0, 0, 0), 0.5, ((0, 5000),)),
    ((0.5, 0, 0), 0.5, ((0, 5000),)),
    ((0.2, 0.5, 0), 0.4, ((1, 4000),)),
    ((0.7, 0.5, 0), 0.6, ((2, 6000),)),
    ((0.7, 0.5, 0.6), 0.6, None),
    ((0, 0, 0), 1, ((0, 10000),)),
    ((0.1, 0, 0), 2, ((1, 10000), (2, 10000))),
    ((0.1, 0, 0), 3, None),
]


@pytest.mark.parametrize(("used", "asked", "found"), CASES)
def test_what_is_found(used: tuple[float, ...], asked: float, found: Devices | None) -> None:
    table = DeviceTable(3)
    for number, amount in enumerate(used):
        table.free["GPU"][number] -= round(amount * 10_000)
    demand = make_resources({"CPU": 1, "GPU": asked})
    assert table.find(demand) == found
    if found:
        before = dict(table.free["GPU"])
        table.take(demand, found)
        assert sum(before.values()) - sum(table.free["GPU"].values()) == asked * 10_000
        table.give_back(demand, found)
        assert table.free["GPU"] == before


def test_several_at_once_do_not_get_the_same_one() -> None:
    table = DeviceTable(2)
    assert table.find_each([5000, 0, 5000, 10_000]) == [((1, 5000),), (), ((1, 5000),), ((0, 10_000),)]
    assert table.find_each([4000, 4000, 6000, 6000]) == [((0, 4000),), ((1, 4000),), ((0, 6000),), ((1, 6000),)]
    assert table.find_each([6000, 6000, 6000]) is None
    assert table.find_each([]) == []


def test_accounts_of_a_group() -> None:
    table = DeviceTable(2)
    table.open_account("GPU_group_g", ((0, 5000), (1, 10_000)))
    table.open_account("GPU_group_1_g", ((1, 10_000),))
    in_bundle = (("GPU_group_1_g", 5000), ("GPU_group_g", 5000))
    found = table.find(in_bundle)
    assert found == ((1, 5000),)
    table.take(in_bundle, found)
    assert table.free["GPU_group_g"] == {0: 5000, 1: 5000}
    anywhere = (("GPU_group_g", 5000),)
    table.take(anywhere, ((1, 5000),))
    assert table.find(in_bundle) is None, "another task of the group has the rest of the bundle's"
    table.close_account("GPU_group_1_g")
    assert table.find(in_bundle) == ((0, 5000),)


def test_which_demands_need_a_number() -> None:
    assert uses_devices(make_resources({"GPU": 1}))
    assert uses_devices((("GPU_group_0_" + "a" * 32, 1),))
    assert not uses_devices(make_resources({"CPU": 1, "GPU_memory": 3}))
    assert DeviceTable(0).find(make_resources({"CPU": 1})) == ()
