"""Modules bound without being loaded."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType

import cloudpickle
import pytest
from cellray_kernel.lazy_modules import bind_module, module_path


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> str:
    # Set first, so that the end of the test removes whatever the test put there.
    monkeypatch.setitem(sys.modules, "wave", None)
    del sys.modules["wave"]
    return "wave"


def test_a_module_loads_at_its_first_use(unloaded: str) -> None:
    module = bind_module(unloaded)
    assert module is not None
    assert module_path(module) == "wave"
    assert type(module) is not ModuleType
    assert callable(module.open)
    assert type(module) is ModuleType


def test_a_function_that_uses_an_unloaded_module_can_be_pickled(unloaded: str) -> None:
    namespace: dict[str, object] = {"__name__": "__main__", "wave": bind_module(unloaded)}
    exec("def f(): return wave.__name__", namespace)
    assert pickle.loads(cloudpickle.dumps(namespace["f"]))() == "wave"


def test_loaded_unknown_and_nested_modules() -> None:
    assert bind_module("sys") is sys
    assert bind_module("no_such_module_anywhere") is None
    assert bind_module("no_such_module_anywhere.below") is None
    nested = bind_module("xml.dom.minidom")
    assert nested is not None
    assert callable(nested.parseString)
