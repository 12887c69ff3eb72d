"""When an actor's process is replaced and what its calls see of that: the semantics of Ray, as tables."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cellray
import pytest
from cellray.actor import exit_actor
from cellray.exceptions import ActorDiedError, ActorUnavailableError, TaskError

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.processes import has_ended

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60
VALUE = "a value"
Seen = str | type[Exception]


@cellray.remote
class Mortal:
    """Notes in its folder what happened to it, so that its processes can tell each other."""

    def __init__(self, folder: str, fails_when_restarted: bool = False) -> None:
        self.folder = Path(folder)
        if fails_when_restarted and cellray.get_runtime_context().was_current_actor_reconstructed:
            raise RuntimeError("not again")
        self._count("constructed")
        atexit.register(self._note_exit, str(self.folder))

    def __del__(self) -> None:
        (self.folder / "deleted").touch()

    def use(self) -> str:
        return VALUE

    def pid(self) -> int:
        return os.getpid()

    def die_first(self, deaths: int) -> str:
        if self._count("tried") <= deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return VALUE

    def fail_first(self, failures: int) -> str:
        if self._count("tried") <= failures:
            raise ValueError("try again")
        return VALUE

    def hold(self, gate: Gate) -> None:
        gate.arrive()
        gate.pass_through()

    def be_killed(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def exit_at_once(self) -> None:
        os._exit(7)

    def exit_with(self, code: int) -> None:
        sys.exit(code)

    def leave(self) -> None:
        exit_actor()

    def fail(self) -> None:
        raise ValueError("bad call")

    def _count(self, what: str) -> int:
        (self.folder / f"{what}.{os.getpid()}.{time.monotonic_ns()}").touch()
        return len(list(self.folder.glob(f"{what}.*")))

    @staticmethod
    def _note_exit(folder: str) -> None:
        Path(folder, "exited").touch()


def seen(ref: Any) -> Seen:
    try:
        return str(cellray.get(ref, timeout=WAIT_S))
    except ActorDiedError:
        return ActorDiedError
    except ActorUnavailableError:
        return ActorUnavailableError
    except TaskError:
        return TaskError


class Crash(NamedTuple):
    """The process dies `deaths` times in the call; what the call sees, and one after it."""

    max_restarts: int
    max_task_retries: int
    deaths: int
    call: Seen
    later: Seen


CRASHES = [
    Crash(0, 0, 0, VALUE, VALUE),
    Crash(0, 0, 1, ActorDiedError, ActorDiedError),
    Crash(1, 0, 1, ActorUnavailableError, VALUE),
    Crash(1, 1, 1, VALUE, VALUE),
    Crash(1, 1, 2, ActorDiedError, ActorDiedError),
    Crash(2, 1, 2, ActorUnavailableError, VALUE),
    Crash(2, 2, 2, VALUE, VALUE),
    Crash(1, -1, 2, ActorDiedError, ActorDiedError),
    Crash(-1, -1, 3, VALUE, VALUE),
]


def test_what_a_call_sees_of_crashes(tmp_path: Path) -> None:
    refs = []
    for number, case in enumerate(CRASHES):
        folder = tmp_path / str(number)
        folder.mkdir()
        options = {"recover": False, "max_restarts": case.max_restarts, "max_task_retries": case.max_task_retries}
        actor = Mortal.options(**options).remote(str(folder))
        refs.append((case, actor, actor.die_first.remote(case.deaths)))
    found = [(case, seen(call), seen(actor.use.remote())) for case, actor, call in refs]
    assert found == [(case, case.call, case.later) for case in CRASHES]


class Ending(NamedTuple):
    """One way to end a process of an actor that may be restarted; what the call sees that did it, and later ones."""

    end: Callable[[Any], Any]
    call: Seen | None
    later: Seen
    says_farewell: bool


ENDINGS = {
    "SIGKILL": Ending(lambda actor: actor.be_killed.remote(), ActorUnavailableError, VALUE, False),
    "os._exit": Ending(lambda actor: actor.exit_at_once.remote(), ActorUnavailableError, VALUE, False),
    "sys.exit(3)": Ending(lambda actor: actor.exit_with.remote(3), ActorUnavailableError, VALUE, False),
    "sys.exit(0)": Ending(lambda actor: actor.exit_with.remote(0), ActorDiedError, ActorDiedError, True),
    "an exception": Ending(lambda actor: actor.fail.remote(), TaskError, VALUE, False),
    "kill(no_restart=False)": Ending(lambda actor: cellray.kill(actor, no_restart=False), None, VALUE, False),
    "kill": Ending(cellray.kill, None, ActorDiedError, False),
    "exit_actor": Ending(lambda actor: actor.leave.remote(), ActorDiedError, ActorDiedError, True),
    "__ray_terminate__": Ending(lambda actor: actor.__ray_terminate__.remote(), ActorDiedError, ActorDiedError, True),
}


@pytest.mark.parametrize("way", list(ENDINGS))
def test_what_ends_an_actor_for_good(way: str, tmp_path: Path) -> None:
    ending = ENDINGS[way]
    actor = Mortal.options(recover=False, max_restarts=5).remote(str(tmp_path))
    pid = cellray.get(actor.pid.remote())
    ref = ending.end(actor)
    if ending.call is not None:
        assert seen(ref) == ending.call
    if ending.later is VALUE:
        eventually(lambda: seen(actor.use.remote()) == VALUE, "it takes calls again")
    else:
        assert seen(actor.use.remote()) == ending.later
    if ending.call is not TaskError:
        eventually(lambda: has_ended(pid), "its process has ended")
    assert {(tmp_path / "deleted").exists(), (tmp_path / "exited").exists()} == {ending.says_farewell}


@pytest.mark.parametrize("calls", ["none", "ended"])
def test_an_actor_says_farewell_when_its_last_handle_goes(calls: str, tmp_path: Path) -> None:
    actor = Mortal.remote(str(tmp_path))
    pid = cellray.get(actor.pid.remote())
    if calls == "ended":
        assert seen(actor.use.remote()) == VALUE
    del actor
    gc.collect()
    eventually(lambda: has_ended(pid), "its process has ended")
    assert (tmp_path / "deleted").exists()
    assert (tmp_path / "exited").exists()


def test_calls_under_way_keep_an_actor_whose_last_handle_went(tmp_path: Path) -> None:
    actor = Mortal.remote(str(tmp_path))
    gate = Gate(tmp_path)
    running, queued = actor.hold.remote(gate), actor.use.remote()
    gate.wait_arrived()
    del actor
    gc.collect()
    gate.open()
    assert (seen(running), seen(queued)) == ("None", VALUE)


class Retry(NamedTuple):
    """Exceptions in a method: what the call sees that raises `failures` times."""

    max_task_retries: int
    retry_exceptions: bool
    failures: int
    call: Seen


RETRIES = [
    Retry(0, True, 1, TaskError),
    Retry(2, False, 1, TaskError),
    Retry(2, True, 2, VALUE),
    Retry(2, True, 3, TaskError),
    Retry(-1, True, 4, VALUE),
]


def test_exceptions_are_retried_when_that_is_asked_for(tmp_path: Path) -> None:
    refs = []
    for number, case in enumerate(RETRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        actor = Mortal.options(recover=False, max_restarts=1).remote(str(folder))
        options = {"max_task_retries": case.max_task_retries, "retry_exceptions": case.retry_exceptions}
        refs.append((case, actor, actor.fail_first.options(**options).remote(case.failures)))
    assert [(case, seen(call)) for case, _actor, call in refs] == [(case, case.call) for case in RETRIES]
    assert all(len(list((tmp_path / str(number)).glob("constructed.*"))) == 1 for number in range(len(RETRIES)))


def test_a_constructor_that_fails_when_it_runs_again_ends_the_actor(tmp_path: Path) -> None:
    actor = Mortal.options(recover=False, max_restarts=5).remote(str(tmp_path), fails_when_restarted=True)
    assert seen(actor.be_killed.remote()) == ActorUnavailableError
    with pytest.raises(ActorDiedError, match=r"(?s)its constructor raised.*not again"):
        cellray.get(actor.use.remote(), timeout=WAIT_S)
