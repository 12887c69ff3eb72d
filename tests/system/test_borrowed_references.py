"""References that travel inside values: each way there is, and that it keeps the object and in the end lets it go."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cellray
import cloudpickle
import numpy as np
import pytest
from cellray import ObjectRef, Session
from cellray.exceptions import ActorDiedError, ObjectLostError, SessionError

from tests.helpers.control import StatusReader
from tests.helpers.gates import Gate
from tests.helpers.leaks import nothing_lost
from tests.helpers.polling import eventually
from tests.helpers.scripts import run_script

ITEMS = 40_000
"""Of 8 bytes: the arrays lie in shared memory."""


def array(seed: int) -> Any:
    return np.full(ITEMS, seed)


def settle() -> None:
    """What this process released is told to the node, and before it answers."""
    gc.collect()
    assert cellray.get(first.remote([1])) == 1


@cellray.remote
def first(values: Any) -> Any:
    return values[0]


@cellray.remote
def make(seed: int) -> Any:
    return array(seed)


@cellray.remote
def make_inside(seed: int) -> Any:
    return {"ref": cellray.put(array(seed))}


@cellray.remote
def make_late(gate: Gate, seed: int) -> Any:
    gate.arrive()
    gate.pass_through()
    return array(seed)


@cellray.remote
def total(refs: list[ObjectRef]) -> int:
    return int(cellray.get(refs[0]).sum())


@cellray.remote
def relay(refs: list[ObjectRef], depth: int) -> int:
    """Lends what it has borrowed."""
    if not depth:
        return int(cellray.get(refs[0]).sum())
    inner = relay.remote(list(refs), depth - 1)
    refs.clear()
    gc.collect()
    result: int = cellray.get(inner)
    return result


@cellray.remote(num_cpus=0)
class Keeper:
    """Keeps references."""

    def keep(self, refs: list[ObjectRef]) -> int:
        self.refs = refs
        return os.getpid()

    def give(self) -> list[ObjectRef]:
        return self.refs

    def hand_over(self, other: Any) -> int:
        pid: int = cellray.get(other.keep.remote(self.refs))
        del self.refs
        return pid

    def put(self, seed: int) -> list[ObjectRef]:
        return [cellray.put(array(seed))]

    def read(self) -> int:
        return int(cellray.get(self.refs[0]).sum())

    def drop(self) -> None:
        del self.refs


@dataclasses.dataclass
class Holder:
    ref: ObjectRef


class CustomState:
    """Pickles its reference into bytes of its own."""

    def __init__(self, ref: ObjectRef) -> None:
        self.ref = ref

    def __getstate__(self) -> bytes:
        return cloudpickle.dumps(self.ref)  # type: ignore[no-any-return]

    def __setstate__(self, state: bytes) -> None:
        self.ref = cloudpickle.loads(state)


def in_a_list(_: Path) -> int:
    return int(cellray.get(total.remote([cellray.put(array(1))])))


def in_keyword_arguments(_: Path) -> int:
    return int(cellray.get(total.remote(refs=[cellray.put(array(1))])))


def of_a_result_not_made_yet(folder: Path) -> int:
    gate = Gate(folder, "late")
    kept = [make_late.remote(gate, 1)]
    reader = total.remote(kept)
    kept.clear()
    settle()
    gate.open()
    return int(cellray.get(reader))


def put_in_a_task(_: Path) -> int:
    inner = cellray.get(make_inside.remote(1))["ref"]
    settle()
    return int(cellray.get(inner).sum())


def five_values_deep(_: Path) -> int:
    ref = cellray.put(array(1))
    for _level in range(5):
        ref = cellray.put({"next": [ref]})
        settle()
    for _level in range(5):
        ref = cellray.get(ref)["next"][0]
        settle()
    return int(cellray.get(ref).sum())


def lent_on_by_tasks(_: Path) -> int:
    return int(cellray.get(relay.remote([make.remote(1)], 4)))


def through_a_task_and_back(_: Path) -> int:
    back = cellray.get(first.remote([[cellray.put(array(1))]]))
    settle()
    return int(cellray.get(back[0]).sum())


def as_a_result_that_is_a_reference(_: Path) -> int:
    outer = first.remote([cellray.put(array(1))])
    settle()
    return int(cellray.get(cellray.get(outer)).sum())


def in_a_dataclass_and_in_bytes_of_its_own(_: Path) -> int:
    held = cellray.put([Holder(cellray.put(array(1))), CustomState(cellray.put(array(0)))])
    settle()
    one, two = cellray.get(held)
    return int(cellray.get(one.ref).sum() + cellray.get(two.ref).sum())


def kept_by_an_actor(_: Path) -> int:
    keeper = Keeper.remote()
    cellray.get(keeper.keep.remote([cellray.put(array(1))]))
    settle()
    return int(cellray.get(keeper.read.remote()))


def handed_over_to_another_actor(_: Path) -> int:
    one, two = Keeper.remote(), Keeper.remote()
    cellray.get(one.keep.remote([make.remote(1)]))
    cellray.get(one.hand_over.remote(two))
    del one
    settle()
    return int(cellray.get(two.read.remote()))


def put_by_an_actor_that_was_killed(_: Path) -> int:
    keeper = Keeper.remote()
    refs = cellray.get(keeper.put.remote(1))
    cellray.kill(keeper)
    with pytest.raises(ActorDiedError):
        cellray.get(keeper.drop.remote())
    return int(cellray.get(refs[0]).sum())


def lent_by_an_actor_that_was_killed(_: Path) -> int:
    lender, keeper = Keeper.remote(), Keeper.remote()
    cellray.get(lender.keep.remote(cellray.get(lender.put.remote(1))))
    refs = cellray.get(lender.give.remote())
    cellray.get(keeper.keep.remote(refs))
    del refs
    cellray.kill(lender)
    settle()
    return int(cellray.get(keeper.read.remote()))


CASES: list[Callable[[Path], int]] = [
    in_a_list,
    in_keyword_arguments,
    of_a_result_not_made_yet,
    put_in_a_task,
    five_values_deep,
    lent_on_by_tasks,
    through_a_task_and_back,
    as_a_result_that_is_a_reference,
    in_a_dataclass_and_in_bytes_of_its_own,
    kept_by_an_actor,
    handed_over_to_another_actor,
    put_by_an_actor_that_was_killed,
    lent_by_an_actor_that_was_killed,
]


def test_every_way_keeps_the_object_and_lets_it_go(
    session: Session, tmp_path: Path, status_reader: StatusReader
) -> None:
    settle()
    for case in CASES:
        with nothing_lost(session.address, status_reader):
            assert case(tmp_path) == ITEMS, case.__name__
            settle()


def test_a_borrower_that_dies_holds_nothing_more(session: Session, status_reader: StatusReader) -> None:
    settle()
    with nothing_lost(session.address, status_reader):
        keepers = [Keeper.remote() for _ in range(2)]
        refs = [cellray.put(array(1))]
        pids = [cellray.get(keeper.keep.remote(refs)) for keeper in keepers]
        del refs
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for keeper in keepers:
            with pytest.raises(ActorDiedError):
                cellray.get(keeper.read.remote())
        del keepers, keeper


def test_another_driver_borrows_and_leaves(session: Session, status_reader: StatusReader) -> None:
    settle()
    code = """
        import cellray, sys
        cellray.init("auto")
        refs = cellray.get(cellray.get_actor("keeper", namespace="shared").give.remote())
        print("sum", int(cellray.get(refs[0]).sum()))
    """
    with nothing_lost(session.address, status_reader):
        keeper = Keeper.options(name="keeper", namespace="shared").remote()
        cellray.get(keeper.keep.remote([make.remote(1)]))
        ended = run_script(code)
        assert f"sum {ITEMS}" in ended.stdout, ended.stderr
        assert cellray.get(keeper.read.remote()) == ITEMS
        del keeper


def test_an_object_in_an_exception_is_kept_with_it(session: Session, status_reader: StatusReader) -> None:
    class CarryingError(Exception):
        def __init__(self, ref: ObjectRef) -> None:
            super().__init__(ref)
            self.ref = ref

    @cellray.remote
    def fail() -> None:
        raise CarryingError(cellray.put(array(1)))

    settle()
    with pytest.raises(CarryingError) as warm:
        cellray.get(fail.remote())
    del warm
    with nothing_lost(session.address, status_reader):
        failed = fail.remote()
        cellray.wait([failed])
        settle()
        with pytest.raises(CarryingError) as caught:
            cellray.get(failed)
        assert cellray.get(caught.value.cause.ref).sum() == ITEMS  # type: ignore[attr-defined]
        del caught, failed


def test_pickled_by_hand_it_is_kept_by_this_process(session: Session) -> None:
    data = cloudpickle.dumps([cellray.put(array(1))])
    settle()
    assert cellray.get(cloudpickle.loads(data)[0]).sum() == ITEMS
    other = run_script(
        "import cellray, pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))", data.hex(), environment={"A": ""}
    )
    assert "no Cellray session: call cellray.init() first" in other.stderr


def test_an_id_alone_keeps_nothing(session: Session) -> None:
    ref = cellray.put(array(1))
    text = ref.hex()
    assert ObjectRef.from_hex(text) == ref
    assert cellray.get(ObjectRef.from_hex(text)).sum() == ITEMS
    del ref
    settle()
    eventually(lambda: is_lost(text), "the object is freed")


def is_lost(text: str) -> bool:
    try:
        cellray.get(ObjectRef.from_hex(text))
    except ObjectLostError as error:
        return "Keep a reference" in str(error)
    return False


def test_without_a_session_there_are_no_references() -> None:
    with pytest.raises(SessionError, match="no Cellray session"):
        ObjectRef.from_binary(b"x" * 20)
