"""Running a contender's process and reading its figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import contender
from tests.bench.contenders import OURS, ROOT, Entry, make_plan, parse_output, run, versions
from tests.bench.ours import core_us


def test_the_last_line_holds_the_figures() -> None:
    assert parse_output('a library talks\n{"start_s": 1.5}\n', "", 0) == ({"start_s": 1.5}, "")


@pytest.mark.parametrize(
    ("output", "errors", "said"),
    [
        ("", "Traceback\nImportError: no such thing\n", "ImportError: no such thing"),
        ("talk", "", "it ended with status 1 and said nothing"),
        ("3", "", "it ended with status 1 and said nothing"),
    ],
)
def test_a_failure_is_one_line(output: str, errors: str, said: str) -> None:
    assert parse_output(output, errors, 1) == ({}, said)


def test_a_contender_that_cannot_run_says_why() -> None:
    assert "No module named" in run(Entry("none", "tests.bench.peers.none", 1), {}).error


def test_versions_of_what_is_installed() -> None:
    assert set(versions(Path(sys.executable), ["pytest", "no-such-thing"])) == {"pytest"}
    assert versions(Path("/no/such/python"), ["pytest"]) == {}


def test_the_core_can_be_measured() -> None:
    assert core_us(1000) > 0


def test_quick_plans_are_smaller() -> None:
    quick, full = (make_plan(OURS, ["start"], quick=quick) for quick in (True, False))
    assert quick["tasks"] < full["tasks"]
    assert quick["seconds"] < full["seconds"]


def test_what_a_contender_lacks_is_left_out() -> None:
    class OnlyTasks(contender.Contender):
        def load(self) -> None: ...
        def start(self) -> None: ...
        def round_trip(self) -> None: ...
        def pipelined(self, count: int) -> None: ...
        def warm_up(self, seconds: float) -> None: ...
        def stop(self) -> None: ...

    plan = {"only": ["round_trip", "pipelined", "objects"], "seconds": 0.001, "tasks": 100, "array_bytes": 1000}
    assert set(contender.measure(OnlyTasks(), plan)) == {
        "import_s",
        "start_s",
        "round_trips_per_s",
        "pipelined_per_s",
    }


def test_peers_need_nothing_of_ours() -> None:
    # The peers' interpreter has neither cellray nor its dependencies.
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['cellray', 'msgspec', 'ray', 'distributed', 'ipyparallel', 'joblib']))\n"
        "from tests.bench.peers import dask, ipyparallel, joblib, process_pool, ray"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
