"""joblib's `Parallel` on the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import cellray
import joblib
import numpy as np
import pytest
from cellray.util.joblib import register_cellray, register_ray

pytestmark = pytest.mark.usefixtures("session")


def square(x: int) -> int:
    return x * x


def where(_: int) -> int:
    return os.getpid()


def total(array: Any, index: int) -> tuple[float, bool]:
    return float(array.sum()) + index, array.flags.owndata


def fail(x: int) -> int:
    if x == 5:
        raise ValueError("five")
    return x


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register_cellray()
    register_ray()


def parallel(calls: Iterator[Any], **options: Any) -> Any:
    return joblib.Parallel(**options)(calls)


@pytest.mark.parametrize("name", ["cellray", "ray"])
def test_calls_run_on_the_session(name: str) -> None:
    with joblib.parallel_config(name, n_jobs=2):
        assert parallel(joblib.delayed(square)(i) for i in range(2000)) == [square(i) for i in range(2000)]
        assert os.getpid() not in parallel(joblib.delayed(where)(i) for i in range(10))
    with joblib.parallel_backend(name):
        assert joblib.effective_n_jobs() == 2, "the session's CPUs"
        assert parallel(joblib.delayed(square)(i) for i in range(5)) == [0, 1, 4, 9, 16]


def test_results_as_they_come() -> None:
    with joblib.parallel_config("cellray", n_jobs=2):
        results = parallel((joblib.delayed(square)(i) for i in range(20)), return_as="generator_unordered")
        assert sorted(results) == [square(i) for i in range(20)]


def test_an_error_ends_it_and_the_next_one_works() -> None:
    with joblib.parallel_config("cellray", n_jobs=2):
        with pytest.raises(ValueError, match="five"):
            parallel(joblib.delayed(fail)(i) for i in range(100))
        assert parallel(joblib.delayed(square)(i) for i in range(3)) == [0, 1, 4]


def test_large_arguments_are_stored_once_and_read_without_a_copy() -> None:
    array = np.ones(1_000_000)  # 8 MB: 40 copies would not fit into the store
    with joblib.parallel_config("cellray", n_jobs=2):
        results = parallel(joblib.delayed(total)(array, i) for i in range(40))
    assert results == [(1_000_000.0 + i, False) for i in range(40)]


def test_options_of_the_tasks() -> None:
    with joblib.parallel_config("cellray", n_jobs=2, ray_remote_args={"num_cpus": 2}):
        assert parallel(joblib.delayed(square)(i) for i in range(4)) == [0, 1, 4, 9]
    with (
        joblib.parallel_config("cellray", n_jobs=2, ray_remote_args={"num_cpu": 2}),
        pytest.raises(ValueError, match="num_cpu"),
    ):
        parallel(joblib.delayed(square)(i) for i in range(4))


def test_one_job_runs_here_and_none_is_refused() -> None:
    with joblib.parallel_config("cellray", n_jobs=1):
        assert parallel(joblib.delayed(where)(i) for i in range(2)) == [os.getpid()] * 2
    with joblib.parallel_config("cellray"), pytest.raises(ValueError, match="n_jobs"):
        parallel((joblib.delayed(square)(i) for i in range(2)), n_jobs=0)


def nested(x: int) -> int:
    return sum(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(i) for i in range(x)))


def test_parallel_inside_of_parallel() -> None:
    with joblib.parallel_config("cellray", n_jobs=2):
        assert parallel(joblib.delayed(nested)(i) for i in range(4)) == [0, 0, 1, 5]


def test_a_reference_arrives_as_its_value() -> None:
    with joblib.parallel_config("cellray", n_jobs=2):
        assert parallel(joblib.delayed(square)(cellray.put(i)) for i in range(3)) == [0, 1, 4]
