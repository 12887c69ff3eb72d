"""The node's event loop: asyncio's, with a selector that serves clients itself.

What clients send is most of what a node hears. Their events cost no handle, context or callback of asyncio, which gets
to run only when something else happened or was asked for.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

from cellray.awake import Vigil
from cellray.node.connection import ClientConnection

Ts = TypeVarTuple("Ts")
AWAKE_S = 0.0001
"""Clients that take turns with the node answer within this time; to be woken on another core costs about as much."""


class ClientSelector(selectors.DefaultSelector):
    """A `ClientConnection` that is registered here is told what happens; the rest is the event loop's own."""

    def __init__(self) -> None:
        super().__init__()
        self.may_stay_awake: Callable[[], bool] = lambda: False
        """Whether there are cores that nobody needs: then clients' next frames are waited for awake."""
        self._vigil = Vigil()
        self.is_stale = False
        """Whether the event loop has got more to do since it called `select`."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors`. Serves clients until there is something for the event loop to do."""
        select, now = super().select, time.monotonic
        until = None if timeout is None else now() + timeout
        others: list[tuple[selectors.SelectorKey, int]] = []
        self.is_stale = False
        served = False
        while True:
            for key, events in (served and self.may_stay_awake() and self._look(timeout)) or select(timeout):
                if type(key.data) is ClientConnection:
                    key.data.on_events(events)
                    served = True
                else:
                    others.append((key, events))
            if until is not None:
                timeout = until - now()
                if timeout <= 0:
                    return others
            if others or self.is_stale:
                return others

    def _look(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]] | None:
        """What happens within the next moment, if anything."""
        select = super().select
        return self._vigil.look(lambda: select(0), AWAKE_S if timeout is None else min(timeout, AWAKE_S))


class NodeEventLoop(asyncio.SelectorEventLoop):
    """Selects with a `ClientSelector`, and tells it of what has come to be done."""

    def __init__(self) -> None:
        self.clients = ClientSelector()
        super().__init__(self.clients)

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`."""
        self.clients.is_stale = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        self.clients.is_stale = True
        return super().call_at(when, callback, *args, context=context)
