"""A worker lends its resources out while it waits: told at the first wait's beginning and the last one's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cellray.engines.lending import Lending, Lent, wait_for_answer
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


class Slow(Sent):
    """A channel whose answer is there after so many seconds."""

    def __init__(self, answer_s: float) -> None:
        super().__init__()
        self.answer_s = answer_s

    def wait_until(self, _done: Callable[[], object], timeout_s: float | None) -> bool:
        waited_s = self.answer_s if timeout_s is None else min(timeout_s, self.answer_s)
        self.answer_s -= waited_s
        return self.answer_s <= 0


@pytest.mark.parametrize(
    ("answer_s", "timeout_s", "comes", "told"),
    [
        (0.001, None, True, []),
        (0.5, None, True, [WorkerBlocked, WorkerUnblocked]),
        (0.5, 1.0, True, [WorkerBlocked, WorkerUnblocked]),
        (2.0, 1.0, False, [WorkerBlocked, WorkerUnblocked]),
        (0.5, 0.0, False, []),
    ],
)
def test_an_answer_that_does_not_come_at_once_is_a_wait(
    answer_s: float, timeout_s: float | None, comes: bool, told: list[type]
) -> None:
    channel: Any = Slow(answer_s)
    lends = Lending(lambda: channel, ClientId(3), Now())  # type: ignore[arg-type]
    assert wait_for_answer(channel, lends, lambda: None, timeout_s) == comes
    assert channel.kinds == told
