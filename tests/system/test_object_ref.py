"""References in a driver: what a notebook shows of them, and views that linger between reads."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import Session, provenance
from cellray.api import current
from cellray.provenance import Cell

from tests.helpers.control import StatusReader
from tests.helpers.gates import Gate
from tests.helpers.leaks import counted
from tests.helpers.polling import eventually


@cellray.remote(max_retries=0)
def produce(gate: Gate, value: Any) -> Any:
    gate.pass_through()
    if value is None:
        raise ValueError("nothing to give")
    return np.full(200_000, value, np.uint8)


@cellray.remote
def first(value: Any) -> Any:
    return value[0]


@pytest.fixture
def in_cell_7() -> Iterator[None]:
    """Cell 7 runs, after others."""
    provenance.set_current_cell(Cell("kernel", "other", 6))
    provenance.set_current_cell(Cell("kernel", "cell", 7))
    yield
    provenance.set_current_cell(None)


def card(ref: Any) -> str:
    text: str = ref._repr_html_()
    return text


def test_a_notebook_shows_state_size_and_cell_and_reads_nothing(
    session: Session, tmp_path: Path, status_reader: StatusReader, in_cell_7: None
) -> None:
    gate = Gate(tmp_path)
    ready, failed = produce.remote(gate, 5), produce.remote(gate, None)
    assert "pending · made in In [7]" in card(ready)
    provenance.set_current_cell(Cell("kernel", "next", 8))
    gate.open()
    cellray.wait([ready, failed], num_returns=2)
    assert "ready · 200 kB · made in In [7]" in card(ready)
    assert "failed · made in In [7]" in card(failed)
    assert "put by" in card(cellray.put([1]))
    assert ready.hex() in card(ready)
    assert counted(session.address, status_reader).objects_read == 0, "nobody has looked at the values"
    inner = cellray.get(first.remote([[produce.remote(gate, 1)]]))[0]
    cellray.shutdown()
    assert "of a session that has ended" in card(inner)


def test_an_array_read_again_asks_nothing_until_room_is_wanted(session: Session, status_reader: StatusReader) -> None:
    """200 MB of shared memory."""
    engine: Any = current.engine
    ref = cellray.put(np.arange(5_000_000))
    assert cellray.get(ref)[-1] == 4_999_999
    assert cellray.get(first.remote([1])) == 1  # and what was released before is told
    assert counted(session.address, status_reader).objects_read == 1, "the view lingers"
    asked = engine.channel.add
    facts: list[Any] = []
    engine.channel.add = lambda fact: (facts.append(fact), asked(fact))
    assert cellray.get(ref)[-1] == 4_999_999
    assert facts == []
    engine.channel.add = asked
    large = [cellray.put(np.full(5_000_000, i)) for i in range(6)]
    eventually(lambda: counted(session.address, status_reader).objects_read == 0, "it was recalled")
    assert cellray.get(ref)[-1] == 4_999_999
    del large, ref
    gc.collect()
    eventually(lambda: counted(session.address, status_reader).objects == 0, "all is freed")
