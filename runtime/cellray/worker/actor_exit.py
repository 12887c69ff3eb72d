"""How an actor ends itself from within one of its methods."""

from __future__ import annotations

from typing import NoReturn


class ActorExit(SystemExit):
    """Ends the actor's process; not a crash, so that it does not restart."""


class Role:
    """What this process is. An actor's process stays one to its end."""

    is_actor = False


def exit_actor() -> NoReturn:
    """End the actor that runs this. The call it is in, and all later ones, fail with ActorDiedError.

    Raises TypeError outside of an actor.
    """
    if not Role.is_actor:
        raise TypeError("exit_actor() is for actors: call it in a method of one.")
    raise ActorExit(0)
