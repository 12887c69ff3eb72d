"""Actors that lose no state: they die at every point of their lives, and nobody who calls them can tell."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray.exceptions import ActorDiedError, ActorUnavailableError
from cellray.model.fact import Fact, TaskOutput

from tests.helpers.accounts import KINDS, Shelf, Tally, Teletype, Teller, arm
from tests.helpers.event_log import facts_once, of_type
from tests.helpers.warned import warned

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60
CALLS = 12
BEFORE = 7
"""So many calls have ended when the trouble begins: one checkpoint was made, and some calls came after it."""


def kill_idle(actor: Any) -> None:
    os.kill(cellray.get(actor.pid.remote(), timeout=WAIT_S), signal.SIGKILL)


def noted(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("noted-*"))


DEATHS = [
    {},
    {"begin": 1},
    {"begin": 3},
    {"end": 1},
    {"end": 3},
    {"begin": 1, "end": 1},
    {"checkpoint": 1},
    {"end": 1, "constructor": 1},
    {"end": 1, "constructor": 2},
    {"end": 1, "restore": 1},
    {"end": 1, "restore": 2, "checkpoint": 1},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deaths", DEATHS, ids=lambda deaths: "+".join(f"{k}{v}" for k, v in deaths.items()) or "idle")
def test_nobody_can_tell_that_it_died(kind: str, deaths: dict[str, int], tmp_path: Path) -> None:
    actor = KINDS[kind].remote(str(tmp_path))
    sums = list(itertools.accumulate(range(CALLS)))
    early = [actor.add.remote(entry) for entry in range(BEFORE)]
    assert cellray.get(early, timeout=WAIT_S) == sums[:BEFORE]
    if kind == "demand":
        assert cellray.get(actor.__cellray_checkpoint__.remote(), timeout=WAIT_S) > 0
    arm(tmp_path, **deaths)
    if not deaths:
        kill_idle(actor)
    late = [actor.add.remote(entry) for entry in range(BEFORE, CALLS)]
    assert cellray.get(late, timeout=WAIT_S) == sums[BEFORE:]
    kill_idle(actor)
    assert cellray.get(actor.seen.remote(), timeout=WAIT_S) == list(range(CALLS))
    assert cellray.get(early, timeout=WAIT_S) == sums[:BEFORE]
    assert noted(tmp_path) == list(range(CALLS)), "what its calls submit has run once"
    assert len(list(tmp_path.glob("seen-*"))) == 1, "a read-only method does not run again"


def died(actor: Any, *calls: Any) -> None:
    """The actor's process ends, when these calls have ended; it is back when this returns."""
    cellray.get(list(calls), timeout=WAIT_S)
    before = cellray.get(actor.pid.remote(), timeout=WAIT_S)
    os.kill(before, signal.SIGKILL)
    assert cellray.get(actor.pid.remote(), timeout=WAIT_S) != before


def test_a_call_that_kills_every_process_fails_in_the_end_and_others_go_on(tmp_path: Path) -> None:
    actor = KINDS["checkpoint"].remote(str(tmp_path))
    cellray.get([actor.add.remote(entry) for entry in range(7)], timeout=WAIT_S)
    arm(tmp_path, entry7=4)
    poison = actor.add.remote(7)
    later = [actor.add.remote(entry) for entry in (8, 9)]
    with pytest.raises(ActorUnavailableError, match="max_task_retries"):
        cellray.get(poison, timeout=WAIT_S)
    assert cellray.get(later, timeout=WAIT_S) == [29, 38]


def test_an_actor_that_dies_whenever_it_is_rebuilt_is_given_up(tmp_path: Path) -> None:
    actor = KINDS["checkpoint"].remote(str(tmp_path))
    cellray.get([actor.add.remote(entry) for entry in range(7)], timeout=WAIT_S)
    arm(tmp_path, restore=9)
    kill_idle(actor)
    with pytest.raises(ActorDiedError, match="in succession"):
        cellray.get(actor.add.remote(7), timeout=WAIT_S)
    assert len(list(tmp_path.glob("restore.*"))) < 9 - 1


def test_a_large_state_is_a_file_and_can_be_changed_in_place() -> None:
    actor = cellray.remote(checkpoint_every=2)(Shelf).remote(100_000)
    sums = [actor.raise_all.remote(1.0) for _ in range(5)]
    died(actor, *sums)
    assert cellray.get(actor.raise_all.remote(1.0), timeout=WAIT_S) == 600_000


def test_references_in_the_state_are_kept() -> None:
    actor = cellray.remote(checkpoint_every=2)(Shelf).remote(1)
    died(actor, *[actor.keep.remote(value) for value in range(5)])
    died(actor, actor.keep.remote(5))
    assert cellray.get(actor.total.remote(), timeout=WAIT_S) == 50_000 * sum(range(6))


def test_arguments_are_there_when_calls_run_again() -> None:
    actor = cellray.remote(recover="replay")(Shelf).remote(200_000)
    stored = cellray.put(np.ones(200_000))
    calls = [actor.raise_all.remote(stored), actor.raise_all.remote(np.full(200_000, 2.0))]
    nested = cellray.put(np.full(50_000, 3))
    calls.append(actor.keep_given.remote([nested]))
    cellray.get(calls, timeout=WAIT_S)
    del stored, nested
    died(actor)
    assert cellray.get(actor.look.remote(), timeout=WAIT_S) == 600_000
    assert cellray.get(actor.total.remote(), timeout=WAIT_S) == 150_000


def test_calls_that_raised_change_the_state_again() -> None:
    actor = cellray.remote(recover="replay")(Shelf).remote(10)
    with pytest.raises(RuntimeError, match="after the change"):
        cellray.get(actor.fail.remote(2.0), timeout=WAIT_S)
    died(actor)
    assert cellray.get(actor.look.remote(), timeout=WAIT_S) == 20


def test_a_checkpoint_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    actor = cellray.remote(checkpoint_every=2)(Shelf).remote(10, str(tmp_path))
    cellray.get([actor.raise_all.remote(1.0) for _ in range(3)], timeout=WAIT_S)
    (tmp_path / "raises").touch()
    with warned("could not be made: ValueError: not today"):
        cellray.get([actor.raise_all.remote(1.0) for _ in range(6)], timeout=WAIT_S)
    with pytest.raises(ValueError, match="not today"):
        cellray.get(actor.__cellray_checkpoint__.remote(), timeout=WAIT_S)
    died(actor)
    assert cellray.get(actor.look.remote(), timeout=WAIT_S) == 90


def test_a_checkpoint_that_cannot_be_restored_is_given_up_for_the_one_before(tmp_path: Path) -> None:
    actor = cellray.remote(checkpoint_every=2)(Shelf).options(name="shelf").remote(10, str(tmp_path))
    cellray.get([actor.raise_all.remote(1.0) for _ in range(7)], timeout=WAIT_S)
    (tmp_path / "damaged").touch()
    with warned("could not be restored from its checkpoint after 6 calls: KeyError: 'values'. .*after 4 calls"):
        died(actor)
    assert cellray.get(actor.look.remote(), timeout=WAIT_S) == 70
    (tmp_path / "all-damaged").touch()
    kill_idle(actor)
    with pytest.raises(ActorDiedError, match=r"checkpoint after \d+ calls .*KeyError.*; its checkpoint after 4 calls"):
        cellray.get(actor.look.remote(), timeout=WAIT_S)


def test_without_a_second_checkpoint_all_calls_run_again(tmp_path: Path) -> None:
    actor = cellray.remote(checkpoint_every=4)(Shelf).remote(10, str(tmp_path))
    cellray.get([actor.raise_all.remote(1.0) for _ in range(6)], timeout=WAIT_S)
    (tmp_path / "damaged").touch()
    died(actor)
    assert cellray.get(actor.look.remote(), timeout=WAIT_S) == 60


def test_other_actors_cannot_tell_either() -> None:
    tally = Tally.remote()
    teller = Teller.options(recover="replay").remote(tally)
    assert cellray.get(teller.count.remote(), timeout=WAIT_S) == (1, 1)
    assert cellray.get(teller.listen.remote(), timeout=WAIT_S) == [2, 3, 4]
    died(teller, teller.tell.remote())
    assert cellray.get(tally.value.remote(), timeout=WAIT_S) == 5
    assert cellray.get(teller.count.remote(), timeout=WAIT_S) == (6, 2)


@pytest.mark.parametrize("died_at", ["item2", "item3", "item5", "later"])
def test_items_come_once_wherever_their_generator_dies(died_at: str, tmp_path: Path) -> None:
    actor = cellray.remote(recover="replay")(Teletype).remote(str(tmp_path))
    first = list(map(cellray.get, actor.items.remote(2)))
    arm(tmp_path, **{died_at: 1})
    second = actor.items.remote(3)
    assert [cellray.get(ref, timeout=WAIT_S) for ref in second] == [3, 4, 5]
    died(actor)
    assert first == [1, 2]
    assert cellray.get(actor.counted.remote(), timeout=WAIT_S) == 5


def test_a_reader_goes_on_with_the_items_that_it_has_not_taken(tmp_path: Path) -> None:
    actor = cellray.remote(recover="replay")(Teletype).remote(str(tmp_path))
    reader = actor.items.remote(4)
    assert cellray.get(next(reader), timeout=WAIT_S) == 1
    died(actor, actor.say.remote("behind it"))
    assert [cellray.get(ref, timeout=WAIT_S) for ref in reader] == [2, 3, 4]
    assert cellray.get(actor.counted.remote(), timeout=WAIT_S) == 5


def test_what_was_printed_is_not_printed_again(tmp_path: Path, session: cellray.Session) -> None:
    actor = cellray.remote(recover="replay")(Teletype).remote(str(tmp_path))
    died(actor, actor.say.remote("said once"))
    cellray.get(actor.say.remote("said later"), timeout=WAIT_S)
    facts = facts_once(session, lambda facts: "said later" in printed(facts), "the output of the last call")
    assert printed(facts).count("said once") == 1


def printed(facts: list[Fact]) -> str:
    return "".join(fact.text for fact in of_type(facts, TaskOutput))


def test_a_named_and_detached_actor_keeps_its_name_and_state(tmp_path: Path) -> None:
    options = {"name": "ledger", "lifetime": "detached"}
    KINDS["checkpoint"].options(**options).remote(str(tmp_path))
    sums = [cellray.get_actor("ledger").add.remote(entry) for entry in range(8)]
    died(cellray.get_actor("ledger"), *sums)
    actor = cellray.get_actor("ledger")
    assert cellray.get(actor.seen.remote(), timeout=WAIT_S) == list(range(8))
    cellray.kill(actor)


def test_a_constructor_that_kills_every_process_is_given_up(tmp_path: Path) -> None:
    arm(tmp_path, constructor=9)
    with pytest.raises(ActorDiedError):
        cellray.get(cellray.remote(recover="replay")(Teletype).remote(str(tmp_path)).counted.remote(), timeout=WAIT_S)


def test_an_actor_without_the_methods_makes_no_checkpoint(tmp_path: Path) -> None:
    actor = cellray.remote(recover="replay")(Teletype).remote(str(tmp_path))
    with pytest.raises(TypeError, match=r"defines no __checkpoint__\(self\)"):
        cellray.get(actor.__cellray_checkpoint__.remote(), timeout=WAIT_S)
    plain = cellray.remote(Teletype).remote(str(tmp_path))
    with pytest.raises(TypeError, match="keeps no checkpoints"):
        cellray.get(plain.__cellray_checkpoint__.remote(), timeout=WAIT_S)


def test_an_actor_that_restarts_empty_says_what_it_needs(tmp_path: Path) -> None:
    actor = cellray.remote(max_restarts=1, max_task_retries=1)(Teletype).remote(str(tmp_path))
    cellray.get(actor.say.remote("gone"), timeout=WAIT_S)
    with warned("class Teletype has died.*recover='replay'"):
        died(actor)
    assert cellray.get(actor.counted.remote(), timeout=WAIT_S) == 0
