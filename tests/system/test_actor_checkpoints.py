"""Checkpoints of actors beyond their own session: on disk, in the log, and in the bench that kills actors."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cellray
import pytest
from cellray.model.fact import ActorCheckpointed, ActorDied, ActorRestored, CheckpointFailed
from cellray.serialization import deserialize
from cellray.store import read_checkpoint

from tests.bench.alone.actor_recovery import Size, kinds, measure
from tests.helpers.accounts import Shelf
from tests.helpers.event_log import facts_once, of_type
from tests.helpers.homes import own_home, session_of_two
from tests.helpers.polling import eventually
from tests.helpers.warned import warned

WAIT_S = 60
ITEMS = 50_000


def test_the_log_names_the_file_of_a_large_state() -> None:
    with own_home(archive=True) as home, session_of_two() as session:
        actor = cellray.remote(checkpoint_every=2)(Shelf).remote(ITEMS)
        cellray.get([actor.raise_all.remote(1.0) for _ in range(9)], timeout=WAIT_S)
        folder = os.path.join(session.address, "checkpoints")
        taken = of_type(
            facts_once(session, lambda facts: len(of_type(facts, ActorCheckpointed)) == 4, "4"), ActorCheckpointed
        )
        assert [each.checkpoint.calls for each in taken] == [2, 4, 6, 8]
        files = [each.checkpoint.file for each in taken]
        eventually(lambda: sorted(os.listdir(folder)) == sorted(files[-2:]), "the two youngest files are left")
        newest = taken[-1].checkpoint
        state = deserialize(read_checkpoint(folder, newest.file, newest.state.object_bytes))
        assert state["values"].sum() == 8 * ITEMS
        cellray.shutdown()
        (kept,) = Path(home).glob(f"archive/*/checkpoints/{newest.file}")
        assert kept.stat().st_size == newest.state.object_bytes


def test_what_happened_to_an_actor_is_in_the_log(session: cellray.Session) -> None:
    actor = cellray.remote(checkpoint_every=3)(Shelf).remote(3)
    cellray.get([actor.raise_all.remote(1.0) for _ in range(5)], timeout=WAIT_S)
    os.kill(cellray.get(actor.pid.remote(), timeout=WAIT_S), signal.SIGKILL)
    cellray.get(actor.look.remote(), timeout=WAIT_S)
    (restored,) = of_type(facts_once(session, lambda facts: of_type(facts, ActorRestored), "it"), ActorRestored)
    assert (restored.calls, len(restored.replayed)) == (3, 2)
    with cellray.open_log() as log:
        (record,) = log.fold().actors.values()
    assert record.checkpoint is not None
    assert (record.restarts, record.checkpoints, record.checkpoint.calls, record.replayed) == (1, 1, 3, 2)


@pytest.fixture
def small_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLRAY_CHECKPOINT_BYTES_MAX", str(ITEMS * 8 * 4))


@pytest.mark.usefixtures("small_quota")
def test_checkpoints_keep_their_quota(session: cellray.Session) -> None:
    shelf = cellray.remote(checkpoint_every=1)(Shelf)
    ended, living = shelf.remote(ITEMS), shelf.remote(ITEMS)
    cellray.get([ended.raise_all.remote(1.0) for _ in range(2)], timeout=WAIT_S)
    facts_once(session, lambda facts: len(of_type(facts, ActorCheckpointed)) == 2, "both are kept")
    del ended  # what it has left goes first
    facts_once(session, lambda facts: of_type(facts, ActorDied), "its end")
    cellray.get([living.raise_all.remote(1.0) for _ in range(3)], timeout=WAIT_S)
    facts_once(session, lambda facts: len(of_type(facts, ActorCheckpointed)) == 5, "all are kept")
    with warned("CELLRAY_CHECKPOINT_BYTES_MAX"):
        other = shelf.remote(2 * ITEMS)
        cellray.get(other.raise_all.remote(1.0), timeout=WAIT_S)
    facts_once(session, lambda facts: of_type(facts, CheckpointFailed), "one was not kept")


def test_the_bench_counts_what_runs_again() -> None:
    size = Size(actors=4, calls=80, every=4, work_s=0.0, killed_share=0.5)
    again = {name: measure(kind, size, kills=name.startswith("killed")).again for name, kind in kinds(size).items()}
    assert list(again.values()) == [0, 0, 2 * (10 - 8), 2 * 10]
