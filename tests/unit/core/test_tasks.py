"""What templates know of their tasks."""

from __future__ import annotations

import pytest

from tests.unit.core.kit import make_task_template


def test_the_mean_follows_run_times() -> None:
    template = make_task_template()
    assert template.mean_s < 0
    template.observe(0.010)
    assert template.mean_s == 0.010
    template.observe(0.020)
    assert template.mean_s == pytest.approx(0.012)
    template.observe(-5.0)
    assert template.mean_s == pytest.approx(0.0096), "clocks that step back count as nothing"


def test_retries() -> None:
    assert [make_task_template(max_retries=1).may_retry(attempt) for attempt in range(3)] == [True, False, False]
    assert not make_task_template(max_retries=0).may_retry(0)
    assert make_task_template(max_retries=-1).may_retry(1000)
