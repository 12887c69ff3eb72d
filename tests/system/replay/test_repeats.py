"""Tasks that run again: the same seed, and a word when they give another value than the first time."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import Session
from cellray.exceptions import ObjectReconstructionFailedError, OutputDivergedError
from cellray.ids import TaskId, root_task_id, task_seed
from cellray.model.fact import OutputDiverged, TaskFinished

from tests.helpers.event_log import facts_once, of_type, read_facts
from tests.helpers.gates import Gate
from tests.helpers.homes import own_home, session_of_two

WAIT_S = 60


def is_first_time(mark: Path) -> bool:
    if mark.exists():
        return False
    mark.touch()
    return True


@cellray.remote
def seed() -> int:
    return cellray.task_seed()


@cellray.remote
class Seeded:
    def __init__(self) -> None:
        self.at_birth = cellray.task_seed()

    def seeds(self) -> tuple[int, int]:
        return self.at_birth, cellray.get_runtime_context().get_task_seed()


@cellray.remote
def seed_of_second_try(folder: Path) -> int:
    with (folder / "seeds").open("a") as seeds:
        seeds.write(f"{cellray.task_seed()}\n")
    if is_first_time(folder / "crashed"):
        os._exit(1)
    return cellray.task_seed()


@cellray.remote(num_returns="streaming")
def items(folder: Path, kind: str) -> Iterator[Any]:
    """Crashes once, when its reader has the first item."""
    first = is_first_time(folder / "begun")
    yield {
        "clock": [0, {"loss": time.time()}],
        "seeded": random.Random(cellray.task_seed()).random(),
        "set": {f"{number}" for number in ((1, 2, 3) if first else (3, 2, 1))},
        "large": np.full(100_000, float(first)),
        "large, same": np.ones(100_000),
    }[kind]
    if first:
        Gate(folder, "read").pass_through()
        os._exit(1)
    yield "end"


def read_twice(folder: Path, kind: str) -> list[Any]:
    """The items of a generator that runs twice; the first item is kept over the crash."""
    generator = items.remote(folder, kind)
    first = next(generator)
    before = cellray.get(first, timeout=WAIT_S)
    Gate(folder, "read").open()
    rest = [cellray.get(ref, timeout=WAIT_S) for ref in generator]
    return [before, *rest]


def read_and_log(session: Session, folder: Path, kind: str) -> tuple[list[Any], OutputDiverged]:
    """The items, and the divergence that the log has of them."""
    told = len(of_type(read_facts(session), OutputDiverged))
    read = read_twice(folder, kind)
    facts = facts_once(session, lambda found: len(of_type(found, OutputDiverged)) > told, "the divergence in the log")
    return read, of_type(facts, OutputDiverged)[-1]


def read_with_warning(folder: Path) -> None:
    with pytest.warns(UserWarning, match="another value"):
        read_twice(folder, "clock")


def get_made_again(ref: Any) -> None:
    with pytest.warns(UserWarning, match="another value"):
        cellray.get(ref, timeout=WAIT_S)


def test_each_task_has_a_seed_of_its_own_that_follows_from_its_id(session: Session) -> None:
    refs = [seed.remote() for _ in range(3)]
    seeds = cellray.get(refs, timeout=WAIT_S)
    assert seeds == [task_seed(TaskId(ref.task_id())) for ref in refs]
    assert len(set(seeds)) == 3
    assert all(0 <= one < 2**64 for one in seeds)
    np.random.default_rng(seeds[0])


def test_a_driver_has_that_of_its_root_task(session: Session) -> None:
    job = bytes.fromhex(cellray.get_runtime_context().get_job_id())
    assert cellray.task_seed() == task_seed(root_task_id(job))  # type: ignore[arg-type]


def test_calls_of_an_actor_have_each_their_own(session: Session) -> None:
    actor = Seeded.remote()
    refs = [actor.seeds.remote() for _ in range(2)]
    (birth, one), (again, other) = cellray.get(refs, timeout=WAIT_S)
    assert birth == again == task_seed(TaskId(actor._actor_id))
    assert [one, other] == [task_seed(TaskId(ref.task_id())) for ref in refs]


def test_a_second_attempt_has_the_seed_of_the_first(session: Session, tmp_path: Path) -> None:
    last = cellray.get(seed_of_second_try.remote(tmp_path), timeout=WAIT_S)
    assert (tmp_path / "seeds").read_text().split() == [str(last)] * 2


def test_another_value_is_told_with_its_place(session: Session, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"items \(task .*another value when it ran again: \[1\]\['loss'\]: \d+"):
        (before, end), fact = read_and_log(session, tmp_path, "clock")
    assert end == "end"
    first, _, second = fact.difference.removeprefix("[1]['loss']: ").partition(" != ")
    assert float(first) == before[1]["loss"] < float(second)


def test_a_large_one_is_told_by_its_digest(session: Session, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="800,.* bytes of digest .* != 800,.* bytes of digest"):
        (before, end), _ = read_and_log(session, tmp_path, "large")
    assert end == "end"
    assert before[0] == 1.0, "the first value stays"


@pytest.mark.parametrize("kind", ["seeded", "set", "large, same"])
def test_the_same_value_says_nothing(session: Session, tmp_path: Path, kind: str) -> None:
    count = len(of_type(read_facts(session), OutputDiverged))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_twice(tmp_path, kind)[-1] == "end"
    assert len(of_type(read_facts(session), OutputDiverged)) == count


@cellray.remote
def steps(kind: str) -> Any:
    values = np.arange(100_000, dtype=float)
    values[2] = time.time() if kind == "clock" else cellray.task_seed() % 7
    return values


def test_a_lost_object_that_is_made_again_is_compared(session: Session) -> None:
    ref = steps.remote("clock")
    before = cellray.get(ref, timeout=WAIT_S).copy()
    cellray.testing.drop_object(ref)
    with pytest.warns(UserWarning, match=r"steps \(task .* another value when it ran again: 800,.* bytes of digest"):
        after = cellray.get(ref, timeout=WAIT_S)
    assert after[2] > before[2]


def test_one_that_is_made_again_as_it_was_says_nothing(session: Session) -> None:
    ref = steps.remote("seed")
    before = cellray.get(ref, timeout=WAIT_S).copy()
    cellray.testing.drop_object(ref)
    assert (cellray.get(ref, timeout=WAIT_S) == before).all()


def test_only_results_that_the_log_does_not_keep_have_digests(session: Session) -> None:
    @cellray.remote
    def ones(count: int) -> Any:
        return np.ones(count)

    small, large = ones.remote(10), ones.remote(100_000)
    cellray.get([small, large], timeout=WAIT_S)
    ids = {small.task_id(), large.task_id()}

    def ended(found: list[Any]) -> list[TaskFinished]:
        return [fact for fact in of_type(found, TaskFinished) if fact.task_id in ids]

    facts = facts_once(session, lambda found: len(ended(found)) == 2, "both ends")
    digests = {fact.task_id: fact.values[0].digest for fact in ended(facts)}
    assert digests[TaskId(small.task_id())] == 0
    assert digests[TaskId(large.task_id())] > 0


def test_it_may_be_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cellray.shutdown()
    monkeypatch.setenv("CELLRAY_DIVERGENCE_IS_ERROR", "1")
    with own_home(), session_of_two():
        with pytest.raises(OutputDivergedError, match=r"\['loss'\]"):
            read_with_warning(tmp_path)
        ref = steps.remote("clock")
        cellray.wait([ref], timeout=WAIT_S)
        with pytest.raises(OutputDivergedError, match=r"steps .*another value when it ran again"):
            cellray.replay(ref)
        cellray.testing.drop_object(ref)
        with pytest.raises(ObjectReconstructionFailedError, match="is not what it was when the task ran before"):
            get_made_again(ref)
