"""How much of the disk checkpoints take, and which go first."""

from __future__ import annotations

from cellray.core.actor_record import Actor
from cellray.core.checkpoint_files import CheckpointFiles
from cellray.core.outbox import Outbox
from cellray.model.actor import ActorOptions

from tests.unit.core.kit import make_task


def actor(index: int) -> Actor:
    return Actor(make_task(index), ActorOptions("C"))


def test_files_of_ended_actors_go_first_and_the_oldest_of_them_before() -> None:
    outbox = Outbox()
    files = CheckpointFiles(outbox, 100)
    early, late, living = actor(0), actor(1), actor(2)
    for owner, name in ((early, "early"), (late, "late"), (living, "living")):
        assert files.add(owner, name, 30) == ""
    files.retire(late)
    files.retire(early)
    assert files.add(living, "more", 30) == ""
    assert outbox.dropped_checkpoints == ["late"]
    assert files.add(living, "large", 60) != ""
    assert outbox.dropped_checkpoints == ["late", "early", "large"]
    assert files.used_bytes == 60


def test_one_that_is_of_no_use_any_more_is_left_until_room_is_wanted() -> None:
    outbox = Outbox()
    files = CheckpointFiles(outbox, 100)
    owner = actor(0)
    files.add(owner, "damaged", 80)
    files.leave("damaged")
    assert files.add(owner, "damaged", 80) == "", "made once more, after the same call"
    assert files.add(actor(1), "other", 90) != "", "it is of use again"
    files.leave("damaged")
    assert files.add(actor(1), "other", 90) == ""
    assert files.used_bytes == 90


def test_a_file_that_is_written_over_counts_once() -> None:
    files = CheckpointFiles(Outbox(), 100)
    owner = actor(0)
    assert files.add(owner, "same", 70) == ""
    assert files.add(owner, "same", 90) == ""
    assert files.used_bytes == 90
    files.drop(["same"])
    assert files.used_bytes == 0
