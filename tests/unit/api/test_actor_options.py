"""Options of remote classes and methods: Ray's defaults, and a clear word about anything else."""

from __future__ import annotations

from typing import Any

import pytest
from cellray.api.actor import method
from cellray.api.actor_options import check_actor_options, resolve_actor_options
from cellray.api.method_options import check_method_options, method_table, resolve_method_options
from cellray.model.actor import ActorOptions, MethodOptions
from cellray.model.task import make_resources


class Plain:
    def used(self) -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    @staticmethod
    def of_nobody() -> None: ...


@pytest.mark.parametrize(
    ("options", "resources"),
    [
        ({}, {}),
        ({"num_cpus": 2}, {"CPU": 2}),
        ({"num_gpus": 1}, {"CPU": 1, "GPU": 1}),
        ({"num_gpus": 1, "num_cpus": 0}, {"GPU": 1}),
        ({"resources": {"slot": 0.5}}, {"CPU": 1, "slot": 0.5}),
        ({"memory": 100}, {"memory": 100}),
    ],
)
def test_resources_are_held_only_when_they_are_asked_for(options: dict[str, Any], resources: dict[str, float]) -> None:
    assert resolve_actor_options(options, Plain, (), None).resources == make_resources(resources)


def test_methods_are_those_of_the_class() -> None:
    assert [method.name for method in method_table(Plain)] == ["of_class", "of_nobody", "used"]


def test_a_call_decides_before_the_method_and_the_method_before_the_actor() -> None:
    actor = ActorOptions("C", (MethodOptions("a"), MethodOptions("b", 2, max_task_retries=5)), max_task_retries=1)
    assert resolve_method_options(actor, "a", {}, None).max_retries == 1
    assert resolve_method_options(actor, "b", {}, None)[2:4] == (2, 5)
    called = resolve_method_options(actor, "b", {"max_task_retries": 0, "num_returns": 1, "name": "x"}, None)
    assert (called.name, called.num_returns, called.max_retries, called.method) == ("x", 1, 0, "b")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_restart": 1}, "did you mean 'max_restarts'"),
        ({"max_restarts": -2}, "or -1 for without end"),
        ({"lifetime": "long"}, "'detached', 'non_detached' and 'None'"),
        ({"name": ""}, "cannot be an empty string"),
        ({"num_cpus": -1}, "at least 0"),
        ({"max_concurrency": 0}, "at least 1"),
        ({"concurrency_groups": {"io": 0}}, r"concurrency_groups\['io'\]=0"),
        ({"num_returns": 1}, "unknown option 'num_returns' of an actor"),
    ],
)
def test_what_is_wrong_with_an_option_is_said(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_actor_options(options)


class Async:
    async def use(self) -> None: ...

    def plain(self) -> None: ...


class Inherited(Async):
    pass


class Grouped:
    @method(concurrency_group="io")
    def read(self) -> None: ...


@pytest.mark.parametrize(
    ("actor_class", "options", "is_async", "slots"),
    [
        (Plain, {}, False, {"": 1}),
        (Plain, {"max_concurrency": 4}, False, {"": 4}),
        (Async, {}, True, {"": 1000}),
        (Inherited, {"max_concurrency": 3}, True, {"": 3}),
        (Grouped, {"concurrency_groups": {"io": 2, "cpu": 1}}, False, {"": 1, "io": 2, "cpu": 1}),
    ],
)
def test_how_many_calls_run_at_a_time(
    actor_class: type, options: dict[str, Any], is_async: bool, slots: dict[str, int]
) -> None:
    actor = resolve_actor_options(options, actor_class, method_table(actor_class), None).actor
    assert actor is not None
    assert (actor.is_async, actor.slots) == (is_async, slots)
    assert actor.is_concurrent == (is_async or sum(slots.values()) > 1)


@pytest.mark.parametrize(
    ("actor_class", "options", "words"),
    [
        (Grouped, {}, "Grouped.read: there is no concurrency group 'io'; the class has none"),
        (Async, {"allow_out_of_order_execution": False}, "another order than they began"),
        (Plain, {"allow_out_of_order_execution": False, "max_concurrency": 2}, "another order than they began"),
    ],
)
def test_what_does_not_go_together_is_said(actor_class: type, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        resolve_actor_options(options, actor_class, method_table(actor_class), None)


def test_a_call_names_a_group_of_its_class() -> None:
    table = method_table(Grouped)
    actor = resolve_actor_options({"concurrency_groups": {"io": 2, "cpu": 1}}, Grouped, table, None).actor
    assert actor is not None
    assert resolve_method_options(actor, "read", {}, None).concurrency_group == "io"
    assert resolve_method_options(actor, "read", {"concurrency_group": "cpu"}, None).concurrency_group == "cpu"
    with pytest.raises(ValueError, match="no concurrency group 'net'; the class has 'cpu', 'io'"):
        resolve_method_options(actor, "read", {"concurrency_group": "net"}, None)


def test_options_of_methods_are_checked_too() -> None:
    with pytest.raises(ValueError, match="num_returns=-1"):
        check_method_options({"num_returns": -1})
    with pytest.raises(ValueError, match="unknown option 'num_cpus'"):
        check_method_options({"num_cpus": 1})
