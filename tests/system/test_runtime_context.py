"""`get_runtime_context()`: in a driver, a task, an actor, and in calls that run at the same time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import Session
from cellray.api.actor import list_named_actors
from cellray.exceptions import TaskCancelledError
from cellray.ids import children_prefix

from tests.helpers.gates import Gate
from tests.helpers.scripts import run_script

WAIT_S = 60


def tell() -> dict[str, Any]:
    context = cellray.get_runtime_context()
    return {
        "job": context.get_job_id(),
        "node": context.get_node_id(),
        "worker": context.get_worker_id(),
        "session": context.get_session_name(),
        "task": context.get_task_id(),
        "name": context.get_task_name(),
        "function": context.get_task_function_name(),
        "actor": context.get_actor_id(),
        "actor name": context.get_actor_name(),
        "namespace": context.namespace,
        "gcs": context.gcs_address,
        "accelerators": context.get_accelerator_ids(),
    }


@cellray.remote
def ask() -> dict[str, Any]:
    return {**tell(), "resources": cellray.get_runtime_context().get_assigned_resources()}


class Asked:
    def ask(self) -> dict[str, Any]:
        context = cellray.get_runtime_context()
        assert context.current_actor == context.current_actor
        return {**tell(), "resources": context.get_assigned_resources()}

    def is_second(self) -> bool:
        return bool(cellray.get_runtime_context().was_current_actor_reconstructed)

    def call_itself(self) -> Any:
        return cellray.get_runtime_context().current_actor.is_second.remote()


Plain = cellray.remote(Asked)


@cellray.remote(max_concurrency=4)
class Threads(Asked):
    def tell_after(self, gate: Gate) -> tuple[str | None, str | None]:
        before = cellray.get_runtime_context().get_task_id()
        gate.arrive()
        gate.pass_through()
        return before, cellray.get_runtime_context().get_task_id()

    def child_of(self, gate: Gate) -> Any:
        gate.arrive()
        gate.pass_through()
        return [ask.remote()]


@cellray.remote
class Async(Asked):
    async def tell_after(self, gate: Gate) -> tuple[str | None, str | None]:
        before = cellray.get_runtime_context().get_task_id()
        gate.arrive()
        await asyncio.to_thread(gate.pass_through)
        return before, cellray.get_runtime_context().get_task_id()

    async def child_of(self, gate: Gate) -> Any:
        gate.arrive()
        await asyncio.to_thread(gate.pass_through)
        return [ask.remote()]

    async def is_canceled(self) -> bool:
        return cellray.get_runtime_context().is_canceled()


def got(ref: Any) -> Any:
    return cellray.get(ref, timeout=WAIT_S)


def is_hex(text: str, *, digits: int) -> bool:
    return len(text) == digits and set(text) <= set("0123456789abcdef")


def test_a_driver(session: Session) -> None:
    context = cellray.get_runtime_context()
    told = tell()
    assert is_hex(told["job"], digits=8)
    assert is_hex(told["node"], digits=56)
    assert is_hex(told["worker"], digits=56)
    assert told["session"] == session.session_id
    assert (told["task"], told["name"], told["function"], told["actor"], told["actor name"]) == (None,) * 5
    assert "@" not in told["gcs"]
    for refused in (context.get_assigned_resources, context.is_canceled, lambda: context.current_actor):
        with pytest.raises(RuntimeError):
            refused()


def test_a_task(session: Session) -> None:
    here = tell()
    ref = ask.remote()
    told = got(ref)
    assert told["task"] == ref.task_id().hex()
    assert (told["name"], told["function"]) == ("ask", f"{__name__}.ask")
    assert (told["job"], told["node"], told["namespace"]) == (here["job"], here["node"], here["namespace"])
    assert is_hex(told["worker"], digits=56)
    assert told["worker"] != here["worker"]
    assert (told["actor"], told["actor name"], told["resources"]) == (None, None, {"CPU": 1.0})
    other = got(ask.options(name="another", num_cpus=0.5).remote())
    assert (other["name"], other["function"], other["resources"]) == ("another", f"{__name__}.ask", {"CPU": 0.5})


@pytest.mark.parametrize("actor_class", [Plain, Threads, Async], ids=["plain", "threads", "loop"])
def test_an_actor(session: Session, actor_class: Any) -> None:
    actor = actor_class.options(name="asked", recover=False, max_restarts=1).remote()
    ref = actor.ask.remote()
    told = got(ref)
    name = actor_class.__name__
    assert told["task"] == ref.task_id().hex()
    assert (told["name"], told["function"]) == (f"{name}.ask", f"{__name__}.{name}.ask")
    assert (told["actor name"], told["resources"]) == ("asked", {})
    assert told["actor"] in repr(actor)
    assert told["actor"] == actor._actor_id.hex()
    assert told["job"] == tell()["job"]
    assert not got(actor.is_second.remote())
    cellray.kill(actor, no_restart=False)
    again = cellray.get_actor("asked")
    assert got(again.is_second.remote())
    assert got(got(again.call_itself.remote()))


@pytest.mark.parametrize("actor_class", [Threads, Async], ids=["threads", "loop"])
def test_calls_at_the_same_time_are_told_apart(session: Session, actor_class: Any, tmp_path: Path) -> None:
    actor = actor_class.options(max_concurrency=4).remote()
    gate = Gate(tmp_path)
    refs = [actor.tell_after.remote(gate) for _ in range(3)]
    parent = actor.child_of.remote(gate)
    gate.wait_arrived(4)
    gate.open()
    assert got(refs) == [(ref.task_id().hex(),) * 2 for ref in refs]
    (child,) = got(parent)
    assert child.task_id().startswith(children_prefix(parent.task_id()))


def test_a_task_that_asks_is_not_interrupted(session: Session, tmp_path: Path) -> None:
    @cellray.remote
    def watch(gate: Gate) -> str:
        context = cellray.get_runtime_context()
        context.is_canceled()
        gate.arrive()
        while not context.is_canceled():
            time.sleep(0.005)
        (tmp_path / "cleaned up").touch()
        return "a value that nobody gets"

    gate = Gate(tmp_path)
    ref = watch.remote(gate)
    gate.wait_arrived()
    cellray.cancel(ref)
    with pytest.raises(TaskCancelledError):
        got(ref)
    assert (tmp_path / "cleaned up").exists()
    with pytest.raises(RuntimeError, match=r"asyncio\.CancelledError"):
        got(Async.remote().is_canceled.remote())


OTHER_DRIVER = """
import cellray
from cellray.api.actor import list_named_actors
cellray.init(address="auto", namespace={namespace!r})
try:
    print(cellray.get(cellray.get_actor("shared").ask.remote())["namespace"], list_named_actors())
except ValueError:
    print("not found", list_named_actors())
"""


def test_drivers_of_one_namespace_find_each_others_actors(home: str) -> None:
    cellray.init(num_cpus=1, namespace="lab")
    actor = Plain.options(name="shared").remote()
    elsewhere = Plain.options(name="shared", namespace="elsewhere").remote()
    assert got(actor.ask.remote())["namespace"] == "lab"
    assert got(elsewhere.ask.remote())["actor"] != got(actor.ask.remote())["actor"]
    assert cellray.get_actor("shared", namespace="elsewhere") == elsewhere
    assert list_named_actors() == ["shared"]
    named = {"name": "shared", "namespace": "elsewhere"}
    assert named in list_named_actors(all_namespaces=True)
    assert run_script(OTHER_DRIVER.format(namespace="lab")).stdout.strip() == "lab ['shared']"
    assert run_script(OTHER_DRIVER.format(namespace=None)).stdout.strip() == "not found []"
    del actor, elsewhere
    with pytest.raises(ValueError, match="not a valid namespace"):
        cellray.get_actor("shared", namespace="")
    cellray.shutdown()
    with pytest.raises(TypeError, match="must be a string"):
        cellray.init(namespace=3)  # type: ignore[arg-type]
