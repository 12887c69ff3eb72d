"""Running the past again: single tasks, states of actors, and what depends on a change."""

from cellray.replaying.task import replay

__all__ = ["replay"]
