"""What every actor can be called by besides the methods of its class, under Ray's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellray.worker.actor_exit import exit_actor
from cellray.worker.checkpoints import Checkpoints


def _ready(_instance: Any) -> bool:
    return True


def _call(instance: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return function(instance, *args, **kwargs)


def _terminate(_instance: Any) -> None:
    exit_actor()


def _checkpoint(_instance: Any) -> int:
    if Checkpoints.current is None:
        raise TypeError(
            "this actor keeps no checkpoints: its class defines no __checkpoint__(self) and __restore__(self, state), "
            "or it was created with recover=False or max_restarts=0"
        )
    return Checkpoints.current.take()


BUILTIN_METHODS: dict[str, Callable[..., Any]] = {
    "__ray_ready__": _ready,
    "__ray_call__": _call,
    "__ray_terminate__": _terminate,
    "__cellray_checkpoint__": _checkpoint,
}
"""`__ray_ready__` tells when the actor is there, `__ray_call__(f, ...)` runs `f(instance, ...)`, `__ray_terminate__`
ends the actor after the calls before it, `__cellray_checkpoint__` makes a checkpoint now."""
