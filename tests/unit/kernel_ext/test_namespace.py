"""Which of the notebook's values a cell takes along."""

from __future__ import annotations

import math
from typing import Any

import pytest
from cellray_kernel.capture import analyse
from cellray_kernel.namespace import Captured, RemoteNameError, capture


class Ref:
    """Stands for a future."""


def take(source: str, namespace: dict[str, Any], **options: Any) -> Captured:
    return capture(analyse(source), namespace, is_ref=lambda value: isinstance(value, Ref), **options)


def test_values_modules_and_references_travel_each_in_their_way() -> None:
    ref, refs = Ref(), [Ref()]
    captured = take("math.sin(x) + r + len(rs)", {"math": math, "x": 1, "r": ref, "rs": refs, "unused": 2})
    assert captured == Captured(values={"x": 1, "rs": refs}, modules={"math": "math"}, refs={"r": ref})


def test_builtins_loop_variables_and_module_names_need_nothing() -> None:
    assert take("print(seed, __name__)", {}, given=("seed",)) == Captured()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("learning_rat", "line 1: name 'learning_rat' is not defined. Did you mean 'learning_rate'"),
        ("1\nnowhere", "line 2: name 'nowhere' is not defined: run the cell that defines it"),
        ("y = 1 + late\nlate = 2", "the cell binds it only further down"),
        ("prin(1)", "Did you mean 'print'"),
        ("Out[3]", "belongs to the notebook's kernel"),
        ("get_ipython().history", "belongs to the notebook's kernel"),
        ("_ + 1", "input and output history"),
        ("_12", "input and output history"),
    ],
)
def test_what_is_nowhere_is_refused_at_once(source: str, message: str) -> None:
    shell: dict[str, Any] = {"Out": {}, "_": 1, "_12": 2, "get_ipython": None}
    with pytest.raises(RemoteNameError, match=message):
        take(source, {**shell, "learning_rate": 1}, hidden=shell)


def test_a_user_may_use_the_kernels_names_for_own_values() -> None:
    assert take("In", {"In": 3}, hidden={"In": []}).values == {"In": 3}


def test_display_is_provided_remotely() -> None:
    from IPython.display import display

    assert take("display(1)", {"display": display}, hidden={}) == Captured()
    assert take("display(1)", {"display": 5}).values == {"display": 5}


def test_a_future_of_the_previous_run_is_not_waited_for_when_the_cell_may_bind_the_name() -> None:
    old, other = Ref(), Ref()
    source = "if flag: x = 1\nx"
    assert take(source, {"flag": 0, "x": old}, is_superseded=lambda ref: ref is old).refs == {}
    assert take(source, {"flag": 0, "x": other}, is_superseded=lambda ref: ref is old).refs == {"x": other}
    assert take("x = x + 1", {"x": old}, is_superseded=lambda ref: ref is old).refs == {"x": old}
