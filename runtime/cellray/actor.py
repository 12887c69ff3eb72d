"""Actors, where Ray has them: `from cellray.actor import exit_actor`."""

from cellray.api.actor import ActorClass, ActorHandle
from cellray.api.actor_method import ActorMethod
from cellray.worker.actor_exit import exit_actor

__all__ = ["ActorClass", "ActorHandle", "ActorMethod", "exit_actor"]
