"""Facts about actors; their calls are tasks."""

from __future__ import annotations

import msgspec

from cellray.ids import ActorId, ClientId


class ActorStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """An actor's constructor returned; `restarts` counts how often it ran before."""

    actor_id: ActorId
    worker_id: ClientId
    at: float
    restarts: int = 0


class ActorDied(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """An actor's process is gone, or is told to go. `reason` is one line."""

    actor_id: ActorId
    at: float
    reason: str
    will_restart: bool = False


class ActorKillRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=26):
    """Somebody asks to end an actor at once."""

    actor_id: ActorId
    at: float
    no_restart: bool = True


class ActorExited(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=27):
    """An actor ended itself with `exit_actor()`."""

    actor_id: ActorId
    at: float
