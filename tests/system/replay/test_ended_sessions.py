"""Replays from the log of a session that has ended, in a process without one; and actors that kept checkpoints."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import cellray
import numpy as np
import pytest
from cellray.exceptions import ReplayError, SessionError

from tests.helpers.control import StatusReader
from tests.helpers.homes import own_home, session_of_two
from tests.helpers.polling import eventually

WAIT_S = 60


@pytest.fixture(autouse=True)
def home(status_reader: StatusReader) -> Iterator[str]:
    """With an archive."""
    with own_home(archive=True) as folder:
        yield folder


@cellray.remote
def draw(count: int) -> Any:
    return np.random.default_rng(cellray.task_seed()).normal(size=count)


@cellray.remote
def mean(values: Any) -> float:
    return float(values.mean())


@cellray.remote
def gives_refs() -> Any:
    return [draw.remote(3)]


@cellray.remote
def sum_of(refs: list[Any], count: int) -> float:
    return float(sum(cellray.get(ref).sum() for ref in refs)) + cellray.get(draw.remote(count)).sum()


@cellray.remote
def never_ends() -> None:
    signal.pause()


class BROKEN:
    """The state that cannot be restored."""

    total = -1


@cellray.remote
class Total:
    def __init__(self) -> None:
        self.total = 0
        self.restored = -1

    def add(self, number: int) -> int:
        self.total += number
        return self.total

    @cellray.method(read_only=True)
    def look(self) -> int:
        return self.total

    def __checkpoint__(self) -> int:
        return self.total

    def __restore__(self, total: int) -> None:
        if total == BROKEN.total:
            raise RuntimeError("not this one")
        self.total = self.restored = total


def got(ref: Any) -> Any:
    return cellray.get(ref, timeout=WAIT_S)


def test_all_of_it_works_on_the_log_of_a_session_that_has_ended() -> None:
    with session_of_two() as session:
        large = draw.remote(50_000)
        ref, refs = mean.remote(large), gives_refs.remote()
        nested, running = sum_of.remote(got(refs), 7), never_ends.remote()
        total = Total.options(checkpoint_every=2, max_restarts=1).remote()
        sums = got([total.add.remote(number) for number in range(1, 6)])
        values, names = got([ref, nested]), [ref.hex(), nested.hex(), refs.hex(), total._actor_id.hex()]
        unended, session_id = running.task_id().hex(), session.session_id
    with pytest.raises(SessionError):
        cellray.replay(names[0])
    with cellray.open_log(session_id) as log:
        assert [cellray.replay(name, log) for name in names[:2]] == values
        assert len(cellray.replay(names[2], log)) == 1
        assert cellray.actor_at(names[3], 3, log).instance.total == sums[2]
        with pytest.raises(ReplayError, match="knows no task"):
            cellray.replay("01" * 16, log)
        assert cellray.replay(unended, log, pdb=quitting()) is None
    assert cellray.replay(names[0], session_id) == values[0]
    with session_of_two():
        again = cellray.rerun(names[0], functions={"mean": len}, log=session_id)
        assert got(again) == 50_000
        fork = cellray.actor_at(names[3], 3, session_id).fork()
        assert got(fork.add.remote(1)) == sums[2] + 1


@cellray.remote
class LargeTotal(Total._class):  # type: ignore[name-defined, misc]
    """Its state is too large for the log itself."""

    def __checkpoint__(self) -> Any:
        return np.full(20_000, self.total)

    def __restore__(self, totals: Any) -> None:
        self.total = self.restored = int(totals[-1])


def test_a_checkpoint_in_a_file_goes_to_the_archive_with_the_log() -> None:
    with session_of_two() as session:
        total = LargeTotal.options(checkpoint_every=2).remote()
        assert got([total.add.remote(number) for number in (1, 2, 4)]) == [1, 3, 7]
        eventually(lambda: cellray.actor_at(total, 3).instance.restored == 3, "the checkpoint is in the log")
        name, session_id = total._actor_id.hex(), session.session_id
    with cellray.open_log(session_id) as log:
        instance = cellray.actor_at(name, 3, log).instance
        assert (instance.total, instance.restored) == (7, 3)


def quitting() -> Any:
    import io
    import pdb

    return pdb.Pdb(stdin=io.StringIO("q\n"), stdout=io.StringIO())


def test_a_state_begins_with_the_checkpoint_before_it() -> None:
    with session_of_two():
        total = Total.options(checkpoint_every=2, max_restarts=1).remote()
        refs = [total.add.remote(1), total.look.remote(), total.add.remote(2), total.look.remote(), total.add.remote(4)]
        assert got(refs) == [1, 1, 3, 3, 7]
        # The checkpoint after the second recorded call is the third call's end; it follows the call's result.
        eventually(lambda: cellray.actor_at(total, 3).instance.restored == 3, "the checkpoint is in the log")
        states = [cellray.actor_at(total, index).instance for index in range(6)]
        assert [state.total for state in states] == [0, 1, 1, 3, 3, 7]
        assert [state.restored for state in states] == [-1, -1, -1, 3, 3, 3]
        assert cellray.replay(refs[4]) == 7
        assert cellray.replay(refs[1]) == 1


def test_a_checkpoint_that_does_not_restore_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with session_of_two():
        total = Total.options(checkpoint_every=2, max_restarts=1).remote()
        assert got([total.add.remote(number) for number in (1, 2, 4)]) == [1, 3, 7]
        eventually(lambda: cellray.actor_at(total, 3).instance.restored == 3, "the checkpoint is in the log")
        monkeypatch.setattr(BROKEN, "total", 3)
        with pytest.warns(UserWarning, match=r"Total.__init__ \(task .*could not be restored \(RuntimeError: not this"):
            state = cellray.actor_at(total, 3)
        assert (state.instance.total, state.instance.restored) == (7, -1)


def test_a_killed_actor_that_recovers_goes_on_where_it_was() -> None:
    with session_of_two():
        total = Total.options(checkpoint_every=2, max_restarts=1).remote()
        assert got([total.add.remote(number) for number in (1, 2, 4)]) == [1, 3, 7]
        cellray.kill(total, no_restart=False)
        assert got(total.add.options(max_task_retries=1).remote(8)) == 15
        assert [cellray.actor_at(total, index).instance.total for index in range(5)] == [0, 1, 3, 7, 15]
