"""Progress: what is counted, and the one line that says it."""

from __future__ import annotations

import pytest
from cellray.observe.fold import LogFold
from cellray.observe.ledger import FoldLimits
from cellray.observe.progress import CellProgress, ProgressReading, render_progress

from tests.unit.observe.story import NODE, Story, template

LOAD = template("load", 1)


def reading(**fields: float) -> ProgressReading:
    return ProgressReading(**{"total": 64, "ended": 37, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (
            reading(running=2, retried=1, rate_per_s=8.2, eta_s=3.0),
            "37/64 done, 2 running, 1 retried, 8.2/s, 3 s left",
        ),
        (reading(ended=64, elapsed_s=7.81, retried=1, rate_per_s=8.2, eta_s=0.0), "64 done in 7.81 s, 1 retried"),
        (reading(failed=2, cancelled=1), "37/64 done, 2 failed, 1 cancelled"),
        (reading(total=124000, ended=12400, folded=3), "12.4k/124k done, 3 folded"),
        (reading(total=0, ended=0), "nothing submitted yet"),
    ],
)
def test_the_line(now: ProgressReading, text: str) -> None:
    assert render_progress(now) == text


def told(story: Story, limits: FoldLimits | None = None) -> LogFold:
    fold = LogFold(limits)
    fold.apply(story.facts, 0, NODE)
    return fold


def test_a_cell_counts_its_run_only() -> None:
    story = Story()
    ids = story.submit(LOAD, 4)
    story.submit(template("load", 2), 7)
    story.submit(template("load", 3), 2)
    story.dispatch(10, ids)
    story.fail(ids[0], will_retry=True)
    story.finish(ids[1])
    fold = told(story)
    run = CellProgress(fold, cell_id="c1", execution_count=1).read(story.now)
    assert (run.total, run.ended, run.running, run.retried, run.done) == (4, 1, 1, 1, False)
    assert CellProgress(fold, cell_id="c1").read(story.now).total == 6
    assert CellProgress(fold, cell_id="nowhere").read(story.now).total == 0


def test_rate_and_time_left_come_from_the_last_seconds() -> None:
    story = Story()
    ids = story.submit(LOAD, 10)
    story.dispatch(10, ids)
    for task_id in ids[:6]:
        story.finish(task_id)
    progress = CellProgress(told(story), cell_id="c1").read(story.now)
    assert progress.rate_per_s == pytest.approx(1.0, rel=0.25)
    assert progress.eta_s == pytest.approx(4.0, rel=0.25)


def test_slow_tasks_have_the_rate_of_the_whole_run() -> None:
    story = Story()
    ids = story.submit(LOAD, 3)
    story.dispatch(10, ids)
    story.now += 100
    story.finish(ids[0])
    story.now += 100
    progress = CellProgress(told(story), cell_id="c1").read(story.now)
    assert progress.rate_per_s == pytest.approx(1 / 202, rel=0.02)
    assert progress.eta_s == pytest.approx(404, rel=0.02)


def test_a_set_of_tasks_survives_folding() -> None:
    story = Story()
    ids = story.submit(LOAD, 3)
    story.dispatch(10, ids)
    fold = told(story, FoldLimits(tasks_max=1))
    progress = CellProgress(fold, task_ids=ids)
    assert progress.read(story.now).running == 1
    before = len(story.facts)
    story.finish(ids[0])
    fold.apply(story.facts[before:], 0, NODE)
    after = len(story.facts)
    assert ids[0] not in fold.tasks
    assert progress.read(story.now).folded == 1
    for task_id in ids[1:]:
        story.fail(task_id)
    fold.apply(story.facts[after:], 0, NODE)
    last = progress.read(story.now)
    assert (last.done, last.ended, last.failed + last.folded) == (True, 3, 3)


def test_one_must_say_what_is_meant() -> None:
    with pytest.raises(ValueError, match="cell_id or task_ids"):
        CellProgress(LogFold())
