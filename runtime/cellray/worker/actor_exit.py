"""The actor that a worker's process is, and how it ends: by itself within one of its methods, or when it is told to."""

from __future__ import annotations

import atexit
import gc
from typing import NamedTuple, NoReturn

from cellray.ids import ActorId
from cellray.model.actor import ActorOptions
from cellray.model.task import TaskTemplate


class ActorExit(SystemExit):
    """Ends the actor's process; not a crash, so that it does not restart."""


def how_it_leaves(raised: SystemExit) -> SystemExit:
    """What ends an actor, without the frames that it went through: they hold the instance.

    As in Ray `sys.exit(0)` is as good as `exit_actor()`, any other code a crash.
    """
    raised.__context__ = raised.__cause__ = raised.__traceback__ = None
    return ActorExit(0) if type(raised.code) is int and raised.code == 0 else raised


class ActorRole(NamedTuple):
    """An actor as its own process knows it. `creation` is the template of its creation."""

    actor_id: ActorId
    creation: TaskTemplate
    options: ActorOptions
    restarts: int


class Role:
    """What this process is. An actor's process stays one to its end."""

    actor: ActorRole | None = None


def exit_actor() -> NoReturn:
    """End the actor that runs this. The call it is in, and all that have not begun, fail with ActorDiedError.

    Calls that run at the same time, in threads or on the event loop, come to their ends before. What was registered
    with `atexit` runs, and so does `__del__` of the instance. Raises TypeError outside of an actor.
    """
    if Role.actor is None:
        raise TypeError("exit_actor() is for actors: call it in a method of one.")
    raise ActorExit(0)


def run_last_words() -> None:
    """What is to run before a process that ends without Python's own shutdown: finalizers, then `atexit`.

    The caller has let go of the instance.
    """
    gc.collect()  # an instance in a cycle has its `__del__` too
    atexit._run_exitfuncs()
