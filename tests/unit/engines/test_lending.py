"""A worker lends its resources out while it waits: told at the first wait's beginning and the last one's end."""

from __future__ import annotations

from typing import Any

from cellray.engines.lending import Lending, Lent
from cellray.ids import ClientId
from cellray.model.fact import WorkerBlocked, WorkerUnblocked


class Sent:
    """The kinds of the facts that were sent, in place of a channel."""

    def __init__(self) -> None:
        self.kinds: list[type] = []

    def add(self, fact: Any) -> None:
        self.kinds.append(type(fact))

    def flush(self) -> None:
        pass


class Now:
    def now(self) -> float:
        return 1.0


def lending() -> tuple[Lending, Sent]:
    sent = Sent()
    return Lending(lambda: sent, ClientId(3), Now()), sent  # type: ignore[arg-type, return-value]


def test_several_waits_are_one_to_the_node() -> None:
    lends, sent = lending()
    with Lent(lends):
        with Lent(lends):
            assert sent.kinds == [WorkerBlocked]
        assert sent.kinds == [WorkerBlocked]
    assert sent.kinds == [WorkerBlocked, WorkerUnblocked]


def test_a_wait_that_was_cut_off_ends_with_the_task() -> None:
    lends, sent = lending()
    wait = Lent(lends)
    lends.begin(wait)
    lends.end_all()
    lends.end(wait)
    lends.end_all()
    assert sent.kinds == [WorkerBlocked, WorkerUnblocked]


def test_a_driver_has_nothing_to_lend() -> None:
    with Lent(None):
        pass
