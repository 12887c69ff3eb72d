"""What a replayed task finds around it: who it is, actors, coroutines, its code of then and the lines of that."""

from __future__ import annotations

import asyncio
import io
import linecache
import pdb
import sys
import traceback
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray.exceptions import ReplayError

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60


def got(ref: Any) -> Any:
    return cellray.get(ref, timeout=WAIT_S)


def who() -> list[Any]:
    context = cellray.get_runtime_context()
    return [
        context.get_task_id(),
        context.get_task_name(),
        context.get_task_function_name(),
        context.get_job_id(),
        context.get_node_id(),
        context.get_session_name(),
        context.get_actor_id(),
        context.get_assigned_resources(),
        context.namespace,
        context.get_placement_group_id(),
        context.get_task_seed(),
    ]


@cellray.remote(num_cpus=0.5, name="asked")
def ask() -> list[Any]:
    return who()


@cellray.remote
def add(one: int, other: int) -> int:
    return one + other


@cellray.remote
class Member:
    def __init__(self) -> None:
        self.calls = 0

    def ask(self) -> list[Any]:
        return [*who(), cellray.get_runtime_context().current_actor]

    def count(self, number: int) -> int:
        self.calls += number
        return self.calls


@cellray.remote
class Awaiting:
    def __init__(self) -> None:
        self.total = 0

    async def add(self, number: int) -> int:
        more = await add.remote(number, 1)
        self.total += more
        return self.total

    async def both(self) -> list[int]:
        return list(await asyncio.gather(add.remote(1, 2), add.remote(3, 4)))


@cellray.remote
def uses_actors(name: str) -> list[int]:
    own = Member.remote()
    counts = [own.count.remote(number) for number in (1, 2)]
    return [*cellray.get(counts), cellray.get(cellray.get_actor(name).count.remote(10))]


@cellray.remote
def calls_another_time(handles: list[Any], mark: str) -> int:
    if Path(mark).exists():
        return int(cellray.get(handles[0].count.remote(1)))
    return int(cellray.get(add.remote(1, 1)))


def test_it_is_who_it_was() -> None:
    ref = ask.remote()
    then = got(ref)
    assert cellray.replay(ref) == then
    member = Member.remote()
    call = member.ask.remote()
    then, now = got(call), cellray.replay(call)
    assert now == then
    assert now[6] == member._actor_id.hex()


def test_actors_that_a_task_uses_answer_as_then() -> None:
    member = Member.options(name="a member").remote()
    ref = uses_actors.remote("a member")
    assert got(ref) == [1, 3, 10]
    assert cellray.replay(ref) == [1, 3, 10]
    assert got(member.count.remote(0)) == 10, "a replay calls no actors"


def test_a_call_that_was_not_made_then_is_not_made_now(tmp_path: Path) -> None:
    member, mark = Member.remote(), tmp_path / "mark"
    ref = calls_another_time.remote([member], str(mark))
    assert got(ref) == 2
    mark.touch()
    with pytest.raises(ReplayError, match=r"Member.count \(task .*\) is not in the log as the replay calls it"):
        cellray.replay(ref)
    assert got(member.count.remote(0)) == 0


def test_coroutines_await_results_of_then() -> None:
    actor = Awaiting.remote()
    refs = []
    for method, args in ((actor.add, (1,)), (actor.both, ()), (actor.add, (2,))):
        refs.append(method.remote(*args))
        got(refs[-1])
    assert [cellray.replay(ref) for ref in refs] == [2, [3, 7], 5]


def test_the_code_and_its_lines_are_those_of_then(tmp_path: Path) -> None:
    """As in a script, or a file of a notebook, that was edited while the session runs."""
    file, names = tmp_path / "edited.py", {"__name__": "__main__"}
    file.write_text("def ratio(number):\n    rest = number - 3  # the line of then\n    return 1 / rest\n")
    exec(compile(file.read_text(), str(file), "exec"), names)
    ref = cellray.remote(names["ratio"]).remote(3)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        got(ref)
    file.write_text("# a new first line\ndef ratio(number):\n    return number\n")
    linecache.checkcache()
    said = io.StringIO()
    with pytest.raises(ZeroDivisionError) as caught:
        cellray.replay(ref, pdb=pdb.Pdb(stdin=io.StringIO("p rest\nl\nq\n"), stdout=said))
    assert "rest = number - 3  # the line of then" in said.getvalue()
    shown = "".join(traceback.format_exception(caught.value))
    assert "return 1 / rest" in shown
    assert "<ratio of then, " in shown


def test_a_module_that_has_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "edited_module.py"
    file.write_text("def one():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import edited_module  # type: ignore[import-not-found]

    ref = cellray.remote(edited_module.one).options(runtime_env={"py_modules": [str(file)]}).remote()
    assert got(ref) == 1
    file.write_text("def one():\n    return 1 + 0  # and more\n")
    linecache.checkcache()
    with pytest.warns(
        UserWarning, match=r"edited_module.one. is imported from .*, which has changed since the task ran"
    ):
        assert cellray.replay(ref) == 1
    del sys.modules["edited_module"]
