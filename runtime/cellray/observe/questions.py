"""The questions that a log answers, of this session or of one that was opened: `lineage`, `why`, `diff`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cellray.errors import SessionError
from cellray.observe.diff.answer import Diff
from cellray.observe.diff.compare import compare
from cellray.observe.diff.run import Run
from cellray.observe.fold import LogFold
from cellray.observe.lineage import Lineage
from cellray.observe.log import Log
from cellray.observe.session import live_fold
from cellray.observe.subjects import NodeKey, asked_key, knows, knows_or_has_actor
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
    with _asked(subject, log, knows_or_has_actor) as (fold, key):
        return explain(fold, key, time.time() if log is None else fold.last_at)


def diff(log_a: Log, log_b: Log) -> Diff:
    """Where a second run went another way than the first: the first task that differs in code, arguments or output,
    what came of it, and durations by function.

    Tasks are paired by their way from their driver: the n-th submission of a driver, the m-th of that task, and so on;
    drivers by their order in the log. Both logs are read to their end.

        with cellray.open_log(before) as a, cellray.open_log(after) as b:
            print(cellray.diff(a, b))
    """
    return compare(Run(log_a.history.iter()), Run(log_b.history.iter()))


@contextmanager
def _asked(
    subject: Any, log: Log | None, is_known: Callable[[LogFold, NodeKey], bool] = knows
) -> Iterator[tuple[LogFold, NodeKey]]:
    if log is None:
        with live_fold(subject, is_known=is_known) as found:
            yield found
        return
    fold = log.latest()
    key = asked_key(subject, fold)
    if not is_known(fold, key):
        raise SessionError(f"this log has nothing about {subject!r}: it belongs to another session")
    yield fold, key
