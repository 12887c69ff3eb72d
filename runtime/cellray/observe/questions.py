"""The questions that a log answers: `cellray.lineage`, `cellray.why`; of this session, or of a log that was opened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cellray.errors import SessionError
from cellray.observe.fold import LogFold
from cellray.observe.lineage import Lineage
from cellray.observe.log import Log
from cellray.observe.session import live_fold
from cellray.observe.subjects import NodeKey, key_of, knows
from cellray.observe.why.answer import Why
from cellray.observe.why.explain import explain


def lineage(subject: Any, log: Log | None = None) -> Lineage:
    """What a task, an object or an actor was made from and what came of it: a graph with data, control and stateful
    edges, as of now.

    `subject` is a reference, a generator, a handle or an id. Raises SessionError when the log does not know it.

        graph = cellray.lineage(ref)
        graph.critical_path(); graph.totals(); graph.to_svg()
    """
    with _asked(subject, log) as (fold, key):
        return Lineage(fold, key)


def why(subject: Any, log: Log | None = None) -> Why:
    """Why a task, an object or an actor is as it is: what it waits for, down the chain, and since when; why it ran
    again, moved, failed, was lost or cancelled.

    Print it for a few sentences, look at `chain` for the same as data. Errors as `lineage`.

        print(cellray.why(ref))
    """
    with _asked(subject, log) as (fold, key):
        return explain(fold, key, time.time() if log is None else fold.last_at)


@contextmanager
def _asked(subject: Any, log: Log | None) -> Iterator[tuple[LogFold, NodeKey]]:
    if log is None:
        with live_fold(subject) as found:
            yield found
        return
    fold = log.fold()
    key = key_of(subject, fold)
    if not knows(fold, key):
        raise SessionError(f"this log has nothing about {subject!r}: it belongs to another session")
    yield fold, key
