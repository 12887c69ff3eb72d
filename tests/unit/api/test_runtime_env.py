"""Runtime environments as users give them: what is taken, what is refused, how parent and child combine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray.model.environment import NOTHING, Environment, parse_environment
from cellray.runtime_env import RuntimeEnv, check_runtime_env

HERE = Path(__file__).resolve().parent

REFUSED: list[tuple[Any, type[Exception], str]] = [
    ("x", TypeError, "give a dict"),
    ({"pip": ["numpy"]}, ValueError, "'pip' is a field of Ray's that Cellray does not have.*env_vars, working_dir"),
    ({"conda": "base"}, ValueError, "'conda' is a field of Ray's"),
    ({"envvars": {}}, ValueError, "'envvars' is unknown"),
    ({"env_vars": ["A"]}, TypeError, "Dict"),
    ({"env_vars": {"A": 1}}, TypeError, "'A' is 1"),
    ({"working_dir": "/nowhere"}, ValueError, "/nowhere is not a valid directory"),
    ({"working_dir": 3}, TypeError, "must be a path"),
    ({"working_dir": "s3://bucket/x.zip"}, ValueError, "only local paths"),
    ({"py_modules": "module"}, TypeError, "must be a list"),
    ({"py_modules": ["/nowhere"]}, ValueError, "/nowhere does not exist"),
    ({"py_modules": [json.dumps]}, TypeError, "must be a path"),
]


@pytest.mark.parametrize(("given", "kind", "words"), REFUSED)
def test_what_is_refused(given: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        check_runtime_env(given)


def test_options_are_checked_where_they_are_written() -> None:
    with pytest.raises(ValueError, match="pip"):
        cellray.remote(runtime_env={"pip": ["x"]})(lambda: 1)
    with pytest.raises(TypeError, match="env_vars"):
        cellray.remote(lambda: 1).options(runtime_env={"env_vars": {"A": 1}})
    with pytest.raises(ValueError, match="conda"):
        RuntimeEnv(conda="base")


def test_what_is_taken() -> None:
    assert check_runtime_env(None) == check_runtime_env({}) == NOTHING
    assert check_runtime_env({"config": {}, "excludes": ["*.bin"]}) == NOTHING
    assert check_runtime_env(RuntimeEnv(env_vars={"B": "2", "A": "1"})).env_vars == {"A": "1", "B": "2"}
    assert check_runtime_env({"working_dir": HERE}).working_dir == str(HERE)
    modules = check_runtime_env({"py_modules": [HERE, __file__, np]}).py_modules
    assert modules == (str(HERE.parent), str(HERE), str(Path(np.__file__).parents[1]))


def test_equal_environments_have_equal_texts() -> None:
    one = check_runtime_env({"env_vars": {"B": "2", "A": "1"}, "working_dir": HERE})
    two = check_runtime_env({"working_dir": str(HERE), "env_vars": {"A": "1", "B": "2"}})
    assert one.text() == two.text() != NOTHING.text() == ""
    assert parse_environment(one.text()) == one
    assert parse_environment("") == NOTHING


def test_parent_and_child() -> None:
    parent = Environment({"A": "1", "B": "2"}, "/parent", ("/modules",))
    assert Environment({"B": "3"}).over(parent) == Environment({"A": "1", "B": "3"}, "/parent", ("/modules",))
    assert Environment({}, "/child", ("/x",)).over(parent) == Environment({"A": "1", "B": "2"}, "/child", ("/x",))
    assert NOTHING.over(NOTHING).text() == ""
