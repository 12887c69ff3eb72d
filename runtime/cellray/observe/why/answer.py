"""Why: what a task, an object or an actor waits for, down the chain, or what became of it; told from the fold.

Each link of the chain is one thing and one sentence about it: `train (5f2a9c1e-17) has waited 3.2 s for 1 of its 2
arguments`, then about the task that makes this argument, and so on, to something that waits for nothing.
"""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from cellray.observe.messages import ObjectStateName, TaskStateName
from cellray.observe.records import ActorStateName, WorkerKey
from cellray.observe.stories import EventKind
from cellray.observe.visual.format import duration

CIRCLE = "They wait for each other: unless one is cancelled, none of them goes on."
LINKS_TOLD = 4
"""Of a longer chain the text has so many links and the last one."""

WaitsFor = Literal["argument", "resources", "worker", "turn", "actor", "earlier call", "child", "space", "pause"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One link: a task, an object or an actor, what it is in, since when, and what it waits for, if for anything.

    `since` is in seconds since the epoch. `asked` and `free` are amounts, when it waits for resources; `holders` are
    the ids of the tasks, actors and placement groups that hold them.
    """

    kind: Literal["task", "object", "actor"]
    id: str
    name: str
    state: TaskStateName | ObjectStateName | ActorStateName
    text: str
    since: float | None = None
    waits_for: WaitsFor | None = None
    worker: str | None = None
    asked: dict[str, float] = {}
    free: dict[str, float] = {}
    holders: list[str] = []


class Happened(msgspec.Struct, frozen=True):
    """What happened before, such as an attempt that ended; `attempt` counts from 1."""

    at: float
    kind: EventKind
    text: str
    attempt: int = 0


class Why(msgspec.Struct, frozen=True):
    """An answer of `cellray.why`: `str` of it is a few sentences, `chain` the same as data, the thing itself first.

    `before` is what happened to it earlier, `at` when it was asked (for an ended session the time of its last fact).
    `is_circle`: the last link waits for one before it, so that none can go on.
    """

    chain: list[Cause]
    before: list[Happened]
    at: float
    is_circle: bool = False

    @property
    def state(self) -> str:
        """Of what was asked about."""
        return self.chain[0].state

    @property
    def since(self) -> float | None:
        """Since when it is so, in seconds since the epoch."""
        return self.chain[0].since

    @property
    def root(self) -> Cause:
        """The end of the chain: what everything before it waits for."""
        return self.chain[-1]

    def to_dict(self) -> dict[str, object]:
        """As plain data, for JSON."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain

    def __str__(self) -> str:
        texts = [link.text for link in self.chain]
        if len(texts) > LINKS_TOLD + 1:
            between = len(texts) - LINKS_TOLD - 1
            texts[LINKS_TOLD:-1] = [f"... ({between} more in between)"]
        lines = [" ".join([*texts, *([CIRCLE] if self.is_circle else [])])]
        lines += [f"  {clock(event.at)}  {event.text}" for event in self.before]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from cellray.observe.why.shown import render_why

        return render_why(self)


def clock(at: float) -> str:
    """The time of day where the reader is."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def ago(at: float, now: float) -> str:
    """`3.2 s`: how long something is so."""
    return duration(max(0.0, now - at))


def worker_name(key: WorkerKey | None) -> str | None:
    """A worker as views spell it."""
    return f"{key[0]}/{key[1]}" if key is not None else None
