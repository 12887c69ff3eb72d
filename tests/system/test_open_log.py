"""`cellray.open_log`: the log of a session as it is read."""

from __future__ import annotations

import cellray
import pytest
from cellray.errors import SessionError
from cellray.ids import ObjectId, producer_of
from cellray.model import fact as told

from tests.helpers.polling import eventually


@cellray.remote
def double(x: int) -> int:
    return 2 * x


def test_the_log_of_this_session_answers_for_a_task_and_folds(session: cellray.Session) -> None:
    refs = [double.remote(number) for number in range(1000)]
    assert cellray.get(refs)[-1] == 1998
    stored = cellray.put([1, 2])
    task_id = producer_of(ObjectId(refs[500].binary()))
    with cellray.open_log() as log:
        ends = (told.TaskFinished, told.TaskFailed)
        eventually(
            lambda: (
                isinstance(log.history.find([task_id])[task_id].facts[-1].fact, ends)
                and log.history.find_puts([ObjectId(stored.binary())])
            ),
            "the end of the task is in the log",
        )
        found = log.history.find([task_id])[task_id]
        assert found.spec.index == 500
        assert found.function is not None
        assert "return 2 * x" in found.function.source
        kinds = [type(entry.fact) for entry in found.facts]
        assert kinds[0] is told.TasksSubmitted
        assert set(kinds[1:]) >= {told.TasksDispatched, told.TaskFinished}
        eventually(lambda: log.fold().totals() == {"finished": 1000}, "all tasks have ended in the log")


def test_without_a_session_there_is_no_log_to_open(home: str) -> None:
    with pytest.raises(SessionError, match=r"call cellray.init\(\) first"):
        cellray.open_log()
