"""What a view shows when the session has ended: what came of its tasks."""

from __future__ import annotations

import cellray
import pytest
from cellray import observe

TASKS = 50


@pytest.mark.usefixtures("session")
def test_a_view_has_the_last_task_when_the_session_ends_right_after_it() -> None:
    @cellray.remote
    def task(x: int) -> int:
        return x

    deltas = []
    source = observe.graph_source()
    stop = source.subscribe(deltas.append)
    cellray.get([task.remote(i) for i in range(TASKS)])
    cellray.shutdown()
    try:
        finished = [delta.totals.get("finished", 0) for delta in deltas]
        assert finished[-1:] == [TASKS]
    finally:
        stop()
        observe.close_follower()
