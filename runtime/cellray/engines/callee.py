"""Whom a driver calls one call after another, and whether it may do so without the node (`engines/direct_calls.py`)."""

from __future__ import annotations

import threading

from cellray.client.direct_line import DirectLine, LineOpened
from cellray.ids import ClientId, ObjectId, TemplateId
from cellray.model.task import TaskSpec

PAUSE_MIN = 4
"""So many calls go by the node when it has said no, or a call was handed over to it: the next may be like it. Twice as
many each time."""
PAUSE_MAX = 256


class Callee:
    """An actor that is called one call after another, or whoever runs tasks of one shape (`actor` is None). `lone` is
    the call that was last sent by the node, and waited for; `streak` counts those that followed each other, or, below
    zero, those until it is worth asking. `number` is that of its line, which was `opened` by a ticket."""

    __slots__ = (
        "actor",
        "busy",
        "is_open",
        "is_quiet",
        "known",
        "line",
        "lone",
        "number",
        "opened",
        "pause",
        "streak",
        "ticket",
        "waited",
        "worker_id",
    )

    def __init__(self, actor: ObjectId | None, number: int) -> None:
        self.actor = actor
        self.number = number
        self.busy = threading.Lock()
        self.line: DirectLine | None = None
        self.worker_id = ClientId(0)
        self.is_open = False
        self.opened = 0
        self.ticket = 0
        self.waited = 0
        self.streak = 0
        self.pause = PAUSE_MIN
        self.known: set[TemplateId] = set()
        """Templates that its process has seen."""
        self.lone: TaskSpec | None = None
        self.is_quiet = True
        """Whether `lone` has ended."""

    def shut(self) -> None:
        """Not to be used until the node has said that it may."""
        self.is_open = False
        self.ticket = 0
        self.streak = min(self.streak, 0)

    def open(self, line: DirectLine, opened: LineOpened) -> None:
        """The node has said that it may be used."""
        if self.line is not None and self.line is not line:
            self.line.close()
        if self.actor is None:
            if self.worker_id != opened.worker_id:
                self.known.clear()
            if self.lone is not None:
                self.known.add(self.lone.template_id)  # it is who got this one
        self.line, self.worker_id, self.is_open, self.opened = line, opened.worker_id, True, opened.ticket
        self.ticket = self.streak = 0

    def leaves(self, spec: TaskSpec | None) -> None:
        """This goes to the node, or several (None). Only if it is what was asked with may the answer be used."""
        if self.lone is spec:
            self.is_open = False
        else:
            self.shut()

    def rest(self) -> None:
        """It has not paid to ask, or to use it."""
        self.shut()
        self.streak = -self.pause
        self.pause = min(2 * self.pause, PAUSE_MAX)

    def close(self) -> None:
        """Its process has gone, or others are called more."""
        self.shut()
        self.known.clear()
        if self.line is not None:
            self.line.close()
            self.line = None
