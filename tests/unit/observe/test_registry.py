"""What tasks refer to: names of functions."""

from __future__ import annotations

import pytest
from cellray.ids import FunctionHash
from cellray.model.task import Function, make_template
from cellray.observe.registry import Registry


@pytest.mark.parametrize(("function", "shown"), [("play", "play"), ("", "In [4]")])
def test_a_function_without_a_name_goes_by_that_of_its_tasks(function: str, shown: str) -> None:
    registry = Registry()
    registry.add_function(Function(FunctionHash(b"h"), function, "module", "", b"", None))
    template = make_template(FunctionHash(b"h"), "In [4]", ())
    registry.add_template(template)
    assert registry.template(template.template_id).function == shown
