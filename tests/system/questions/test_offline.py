"""Questions to the log of a session that has ended."""

from __future__ import annotations

from collections.abc import Iterator

import cellray
import pytest

from tests.helpers.control import StatusReader
from tests.helpers.homes import own_home, session_of_two
from tests.system.questions.test_diff import Best, load, train


@pytest.fixture(scope="module", autouse=True)
def home(status_reader: StatusReader) -> Iterator[str]:
    """With an archive."""
    with own_home(archive=True) as folder:
        yield folder


def test_a_log_answers_when_its_session_has_ended(home: str) -> None:
    with session_of_two() as session:
        data = load.remote(1)
        model = train.remote(data, {"rate": 0.5})
        cellray.get(model)
        counter = Best.remote()
        last = [counter.offer.remote(x) for x in (1.0, 2.0)][-1]
        cellray.get(last)
    with cellray.open_log(session.session_id) as log, cellray.open_log(session.session_id) as same:
        assert "finished" in str(cellray.why(model.task_id(), log))
        assert cellray.why(counter, log).state == "dead"
        graph = cellray.lineage(last, log)
        assert [task.function.rpartition(".")[2] for task in graph.critical_path()] == ["__init__", "offer", "offer"]
        assert cellray.lineage(data.hex(), log).totals()[train._function.__qualname__].tasks == 1  # type: ignore[attr-defined]
        assert not cellray.diff(log, same)
