"""Options of remote functions: Ray's defaults, how they are merged, and what is wrong with bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cellray import remote
from cellray.api.options import check_options, check_overrides, resolve_options
from cellray.model.task import StreamOptions, make_resources
from cellray.serialization import serialize

RESOLVED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"num_returns": 1, "max_retries": 3, "retry_exceptions": False, "max_calls": 0, "stream": None, "name": "f"}),
    ({}, {"resources": make_resources({"CPU": 1})}),
    ({"num_cpus": None, "max_retries": None}, {"resources": make_resources({"CPU": 1}), "max_retries": 3}),
    ({"memory": 1000, "num_cpus": 0}, {"resources": make_resources({"memory": 1000})}),
    ({"num_gpus": 1}, {"max_calls": 1}),
    ({"num_gpus": 1, "max_calls": 0}, {"max_calls": 0}),
    ({"num_gpus": 0, "max_calls": 7}, {"max_calls": 7}),
    ({"num_returns": 0}, {"num_returns": 0, "stream": None}),
    ({"num_returns": "dynamic"}, {"num_returns": 1, "stream": None}),
    ({"num_returns": "streaming"}, {"num_returns": 1, "stream": StreamOptions(-1)}),
    (
        {"num_returns": "streaming", "_generator_backpressure_num_objects": 4},
        {"num_returns": 1, "stream": StreamOptions(4)},
    ),
    ({"retry_exceptions": True}, {"retry_exceptions": True, "retry_only": b""}),
    (
        {"retry_exceptions": (OSError, KeyError)},
        {"retry_exceptions": True, "retry_only": serialize((OSError, KeyError)).to_bytes()},
    ),
    ({"retry_exceptions": []}, {"retry_exceptions": False, "retry_only": b""}),
    ({"max_retries": -1}, {"max_retries": -1}),
    ({"name": "mine"}, {"name": "mine"}),
    ({"enable_task_events": False, "_metadata": {"a": 1}, "_labels": {"a": "b"}, "label_selector": {}}, {"name": "f"}),
]


@pytest.mark.parametrize(("options", "expected"), RESOLVED)
def test_what_options_come_to(options: dict[str, Any], expected: dict[str, Any]) -> None:
    check_options(options)
    resolved = resolve_options(options, "f", None)
    assert {name: getattr(resolved, name) for name in expected} == expected


def test_a_generator_function_streams_unless_it_says_otherwise() -> None:
    assert resolve_options({}, "f", None, is_generator=True).stream == StreamOptions()
    assert resolve_options({"num_returns": 2}, "f", None, is_generator=True).stream is None


def test_later_options_go_over_earlier_ones_and_leave_the_function_as_it_was() -> None:
    @remote(num_cpus=2, max_calls=3, name="first")
    def f() -> Iterator[int]:
        yield 1

    changed = f.options(name="second").options(num_cpus=0)
    assert changed._options == {"num_cpus": 0, "max_calls": 3, "name": "second"}
    assert f._options == {"num_cpus": 2, "max_calls": 3, "name": "first"}


def test_max_calls_belongs_to_the_decorator() -> None:
    check_options({"max_calls": 1})
    with pytest.raises(ValueError, match="not supported in"):
        check_overrides({"max_calls": 1})
