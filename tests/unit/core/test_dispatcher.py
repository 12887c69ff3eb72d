"""How ready tasks are spread; the rest of the dispatcher is in the transcripts and the simulator."""

from __future__ import annotations

from cellray.core.dispatcher import spread
from cellray.core.workers import Worker
from cellray.ids import ClientId
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.kit import make_task


def make_workers(lengths: list[int]) -> list[Worker]:
    workers = []
    for index, length in enumerate(lengths):
        worker = Worker(ClientId(index + 1), 0)
        worker.queue.extend(make_task(i) for i in range(length))
        workers.append(worker)
    return workers


@given(st.integers(1, 200), st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_all_is_given_and_nobody_idles_beside_a_backlog(ready: int, lengths: list[int]) -> None:
    shares = spread(ready, make_workers(lengths))
    given_out = [target - len(worker.queue) for worker, target in shares]
    assert sum(given_out) == ready
    assert all(count >= 0 for count in given_out)
    targets = [target for _, target in shares]
    assert max(targets) - min(targets) <= 1
    left_out = sorted(lengths)[len(shares) :]
    assert all(length > min(targets) for length in left_out), "who gets nothing has more than its share"


def test_idle_workers_come_first() -> None:
    workers = make_workers([10, 0, 0])
    assert spread(5, workers) == [(workers[1], 3), (workers[2], 2)]
