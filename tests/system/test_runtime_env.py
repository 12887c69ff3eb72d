"""Runtime environments: variables, folders and modules of drivers, tasks and actors, and that they never mix."""

from __future__ import annotations

import os
import shutil
import types
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import Session
from cellray.exceptions import RuntimeEnvSetupError
from cellray.runtime_env import RuntimeEnv

from tests.helpers.gates import Gate
from tests.helpers.scripts import run_script

ARENA_BYTES = 64_000_000


@cellray.remote
def variables(*names: str) -> list[str | None]:
    return [os.environ.get(name) for name in names]


@cellray.remote
def wait_at(gate: Gate) -> None:
    gate.arrive()
    gate.pass_through()


@cellray.remote
def pid() -> int:
    return os.getpid()


@cellray.remote
def where() -> tuple[str, str]:
    import greeting

    return os.getcwd(), greeting.TEXT


def start(**options: Any) -> Session:
    return cellray.init(num_cpus=2, object_store_memory=ARENA_BYTES, log_to_driver=False, **options)


def module(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "greeting.py").write_text(f"TEXT = {text!r}\n")
    return folder


def test_variables_of_driver_task_and_actor() -> None:
    start(runtime_env={"env_vars": {"A": "job", "B": "job"}})
    assert cellray.get(variables.remote("A", "B")) == ["job", "job"]
    special = variables.options(runtime_env=RuntimeEnv(env_vars={"B": "task", "PATH": "/mine:${PATH}"}))
    a, b, path = cellray.get(special.remote("A", "B", "PATH"))
    assert (a, b, path) == ("job", "task", f"/mine:{os.environ['PATH']}")

    @cellray.remote(runtime_env={"env_vars": {"B": "parent"}})
    def parent() -> list[Any]:
        nested = variables.options(runtime_env={"env_vars": {"C": "child"}}).remote("A", "B", "C")
        return [cellray.get(variables.remote("A", "B", "C")), cellray.get(nested)]

    assert cellray.get(parent.remote()) == [["job", "parent", None], ["job", "parent", "child"]], "children inherit"

    @cellray.remote(runtime_env={"env_vars": {"B": "actor"}})
    class Reader:
        def __init__(self) -> None:
            self.at_start = os.environ["B"]

        def read(self) -> list[Any]:
            return [self.at_start, os.environ["B"], *cellray.get(variables.remote("A", "B"))]

    assert cellray.get(Reader.remote().read.remote()) == ["actor", "actor", "job", "actor"]
    environment = {"env_vars": {"A": "job", "B": "job"}}
    assert cellray.get_runtime_context().runtime_env == environment
    in_task = cellray.remote(lambda: cellray.get_runtime_context().runtime_env)
    assert cellray.get(in_task.remote()) == environment
    assert cellray.get(in_task.options(runtime_env={"env_vars": {"B": "x"}}).remote())["env_vars"]["B"] == "x"
    assert os.environ.get("A") is None, "the driver itself is as it was"


def test_a_worker_has_one_environment_for_its_life() -> None:
    start()
    seen: dict[str, set[int]] = {}
    for _ in range(5):
        for name in ("", "X", "Y"):
            options = {"env_vars": {"NAME": name}} if name else None
            pids = cellray.get([pid.options(runtime_env=options).remote() for _ in range(4)])
            seen.setdefault(name, set()).update(pids)
    assert sum(len(pids) for pids in seen.values()) == len(set().union(*seen.values())), f"they mix: {seen}"
    assert all(len(pids) <= 2 for pids in seen.values()), f"idle workers are used again: {seen}"


def test_folders_and_modules(tmp_path: Path) -> None:
    one, two = module(tmp_path / "one", "first"), module(tmp_path / "two", "second")
    start()
    with pytest.raises(ModuleNotFoundError):
        cellray.get(where.remote())
    here, there = where.options(runtime_env={"working_dir": str(one)}), where.options(runtime_env={"working_dir": two})
    assert cellray.get([here.remote(), there.remote(), here.remote()]) == [
        (str(one), "first"), (str(two), "second"), (str(one), "first")
    ]  # fmt: skip
    both = where.options(runtime_env={"working_dir": str(two), "py_modules": [str(one / "greeting.py")]})
    assert cellray.get(both.remote()) == (str(two), "second"), "the working folder comes first"
    loaded = types.ModuleType("greeting")
    loaded.__file__ = str(one / "greeting.py")
    assert cellray.get(where.options(runtime_env={"py_modules": [loaded]}).remote())[1] == "first"


def test_what_cannot_be_set_up_is_said_and_not_tried_for_ever(tmp_path: Path) -> None:
    folder = module(tmp_path / "gone", "x")
    start()
    gate = Gate(tmp_path)
    held = [wait_at.remote(gate) for _ in range(2)]
    gate.wait_arrived(2)
    environment = {"working_dir": str(folder)}
    task = where.options(runtime_env=environment, retry_exceptions=True, max_retries=-1).remote()

    @cellray.remote(runtime_env=environment)
    class Actor:
        def call(self) -> int:
            return 1

    call = Actor.options(num_cpus=1).remote().call.remote()
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match="is not a valid directory"):
        where.options(runtime_env=environment)
    gate.open()
    for ref in (task, call):
        with pytest.raises(RuntimeEnvSetupError, match=f"No such file or directory: {folder}"):
            cellray.get(ref, timeout=60)
    cellray.get([*held, pid.remote()], timeout=60)


def test_drivers_of_one_session_do_not_mix() -> None:
    session = start(runtime_env={"env_vars": {"WHO": "owner"}})
    other = """
        import os, sys, cellray
        cellray.init(sys.argv[1], runtime_env={"env_vars": {"WHO": "guest"}})
        read = cellray.remote(lambda: os.environ.get("WHO"))
        print(set(cellray.get([read.remote() for _ in range(50)])))
    """
    refs = [variables.remote("WHO") for _ in range(50)]
    assert run_script(other, session.address).stdout.strip() == "{'guest'}"
    refs += [variables.remote("WHO") for _ in range(50)]
    assert {value for (value,) in cellray.get(refs)} == {"owner"}
