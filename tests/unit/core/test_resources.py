"""Resource accounting is exact."""

from __future__ import annotations

from cellray.core.resources import ResourcePool, format_resources, format_units
from cellray.model.task import make_resources


def test_fractions_add_up() -> None:
    pool = ResourcePool(make_resources({"CPU": 1}))
    tenth = make_resources({"CPU": 0.1})
    for _ in range(10):
        assert pool.fits(tenth)
        pool.acquire(tenth)
    assert not pool.fits(tenth)
    assert pool.available == {"CPU": 0}
    for _ in range(10):
        pool.release(tenth)
    assert pool.available == pool.total


def test_how_often_a_demand_fits() -> None:
    pool = ResourcePool(make_resources({"CPU": 4, "GPU": 1}))
    assert pool.fit_count(make_resources({"CPU": 1}), 100) == 4
    assert pool.fit_count(make_resources({"CPU": 1, "GPU": 0.5}), 100) == 2
    assert pool.fit_count((), 7) == 7
    pool.acquire(make_resources({"CPU": 3}))
    pool.acquire(make_resources({"CPU": 3}))
    assert pool.fit_count(make_resources({"CPU": 1}), 100) == 0, "oversubscribed"


def test_what_is_lacking() -> None:
    pool = ResourcePool(make_resources({"CPU": 4}))
    demand = make_resources({"CPU": 2, "GPU": 1})
    assert pool.lacking(demand) == [("GPU", 10_000, 0)]
    assert pool.short_of(demand) == ["GPU"]
    pool.acquire(make_resources({"CPU": 3}))
    assert pool.short_of(demand) == ["CPU", "GPU"]
    assert pool.lacking(demand) == [("GPU", 10_000, 0)]


def test_people_read_plain_numbers() -> None:
    assert format_units(10_000) == "1"
    assert format_units(2_500) == "0.25"
    assert format_units(100_000) == "10"
    assert format_resources(make_resources({"GPU": 0.5, "CPU": 2})) == "2 CPU, 0.5 GPU"
    assert format_resources(()) == "nothing"
