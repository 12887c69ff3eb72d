"""Calls are held against what they call where they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cellray
import pytest
from cellray.api.method_options import method_table
from cellray.api.parameters import Parameters, parameters_of


def two(a: int, b: int = 1) -> None: ...


def only_named(a: int, *, key: int) -> None: ...


def anything(*args: Any, **kwargs: Any) -> None: ...


def by_position(a: int, /, *, flag: bool = False) -> None: ...


class Thing:
    def method(self, x: int, y: int = 2) -> None: ...

    @staticmethod
    def static(x: int) -> None: ...

    @classmethod
    def of_class(cls, x: int) -> None: ...


CASES: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (two, (1,), {}, ""),
    (two, (1, 2), {}, ""),
    (two, (), {"a": 1, "b": 2}, ""),
    (two, (), {}, "missing a required argument: 'a'"),
    (two, (1, 2, 3), {}, "too many positional arguments"),
    (two, (1,), {"a": 2}, "multiple values for argument 'a'"),
    (two, (1,), {"c": 2}, "unexpected keyword argument 'c'"),
    (only_named, (1,), {}, "missing a required (keyword-only )?argument: 'key'"),
    (only_named, (1,), {"key": 2}, ""),
    (only_named, (1, 2), {}, "too many positional arguments|missing a required"),
    (anything, (1, 2, 3), {"x": 1}, ""),
    (by_position, (1,), {"flag": True}, ""),
    (by_position, (), {"a": 1}, "'a'"),
    (max, (1, 2, 3), {}, ""),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "error"), CASES)
def test_a_call_fits_or_says_why_not(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: str
) -> None:
    parameters = Parameters(parameters_of(function))
    is_sure = not kwargs and parameters.least <= len(args) <= parameters.most
    for _ in range(2):  # the second time the form of the call may be known
        if error:
            assert not is_sure
            with pytest.raises(TypeError, match=rf"f\.remote\(\): .*({error})"):
                parameters.check("f", args, kwargs)
        else:
            parameters.check("f", args, kwargs)


def test_methods_take_no_self() -> None:
    table = {method.name: [name for name, _, _ in method.parameters or ()] for method in method_table(Thing)}
    assert table == {"method": ["x", "y"], "static": ["x"], "of_class": ["x"]}


def test_wrong_arguments_of_a_task_need_no_session() -> None:
    with pytest.raises(TypeError, match=r"two\.remote\(\): too many positional arguments"):
        cellray.remote(two).remote(1, 2, 3)
    with pytest.raises(TypeError, match=r"two\.remote\(\): missing a required argument: 'a'"):
        cellray.remote(two).options(name="other").remote(b=1)
    assert not cellray.is_initialized()
