"""Options of actors that lose no state when their process dies: `recover` and `checkpoint_every`.

| the class, its options                             | when the process dies                                          |
|----------------------------------------------------|----------------------------------------------------------------|
| defines `__checkpoint__` and `__restore__`         | constructor, last checkpoint, the calls since once more        |
| `recover="replay"`, without these methods          | constructor, all calls once more                               |
| neither                                            | constructor, if `max_restarts` allows; the state is lost       |
| `recover=False`                                    | the same, and nobody is warned                                 |

Who recovers restarts without end, and calls that were under way are tried again three times, unless `max_restarts` and
`max_task_retries` say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

RECOVERY_OPTIONS = ("recover", "checkpoint_every")
RECOVERY_DEFAULTS = {"max_restarts": -1, "max_task_retries": 3}
"""What holds for actors that recover instead of Ray's defaults, under which they could not."""
CHECKPOINT_EVERY = 100
"""Calls between two checkpoints of a class that can make some and says nothing."""
NO_CHECKPOINTS = -1


class Recovery(NamedTuple):
    """As in `model.actor.ActorOptions`."""

    recovers: bool
    checkpoint_every: int
    forgets: bool


def check_recovery_option(name: str, value: Any) -> None:
    """Raise ValueError that says what is allowed."""
    if name == "recover" and value not in (None, False, "replay"):
        raise ValueError(
            f"recover={value!r}: give 'replay' to have calls run again after a crash, or False for an actor that has "
            "no state to lose"
        )
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name == "checkpoint_every" and value is not None and not is_count:
        raise ValueError(f"checkpoint_every={value!r}: give a number of calls, or 0 for none but on demand")


def resolve_recovery(options: Mapping[str, Any], actor_class: type, *, is_concurrent: bool) -> Recovery:
    """Whether and how the actor recovers. Raises ValueError for what does not go together."""
    name = actor_class.__qualname__
    recover, every = options.get("recover"), options.get("checkpoint_every")
    can_make, can_restore = hasattr(actor_class, "__checkpoint__"), hasattr(actor_class, "__restore__")
    if can_make != can_restore:
        there, missing = ("__checkpoint__", "__restore__") if can_make else ("__restore__", "__checkpoint__")
        raise ValueError(
            f"class {name} defines {there} and no {missing}: a checkpoint is what __checkpoint__(self) returns, and "
            "__restore__(self, state) takes it back."
        )
    if every is not None and not can_make:
        raise ValueError(
            f"checkpoint_every is for classes that can make checkpoints: define __checkpoint__(self) and "
            f"__restore__(self, state) in {name}."
        )
    asks = recover == "replay" or (can_make and recover is not False)
    if not asks or options.get("max_restarts") == 0:
        if recover == "replay":
            raise ValueError("recover='replay' and max_restarts=0 contradict each other: leave max_restarts out.")
        return Recovery(False, NO_CHECKPOINTS, recover is False)
    if is_concurrent:
        raise ValueError(
            f"actors of class {name} run several calls at a time (async methods, max_concurrency or "
            "concurrency_groups), so that they cannot run again in their order. Let them run one at a time, or give "
            "recover=False: then a restart begins with a fresh constructor call."
        )
    if not can_make:
        return Recovery(True, NO_CHECKPOINTS, False)
    return Recovery(True, CHECKPOINT_EVERY if every is None else every, False)
