"""Running a contender's process and reading its figures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench import contender
from tests.bench.alone.parts import ALONE, measure_alone
from tests.bench.contenders import ROOT, Entry, make_plan, parse_output, run, versions
from tests.bench.loads import PARTS
from tests.bench.measures import GROUPS, MEASURES


def test_the_last_line_holds_the_figures() -> None:
    output = 'a library talks\n{"figures": {"start_s": 1.5}, "failed": {"pool": "Boom"}}\n'
    assert parse_output(output, "", 0) == ({"start_s": 1.5}, {"pool": "Boom"}, "")


@pytest.mark.parametrize(
    ("output", "errors", "said"),
    [
        ("", "Traceback\nImportError: no such thing\n", "ImportError: no such thing"),
        ("talk", "", "it ended with status 1 and said nothing"),
        ("3", "", "it ended with status 1 and said nothing"),
    ],
)
def test_a_failure_is_one_line(output: str, errors: str, said: str) -> None:
    assert parse_output(output, errors, 1) == ({}, {}, said)


def test_a_contender_that_cannot_run_says_why() -> None:
    assert "No module named" in run(Entry("none", "tests.bench.peers.none"), {}).error


def test_versions_of_what_is_installed() -> None:
    assert set(versions(Path(sys.executable), ["pytest", "no-such-thing"])) == {"pytest"}
    assert versions(Path("/no/such/python"), ["pytest"]) == {}


def test_parts_can_be_measured_alone() -> None:
    figures = measure_alone({"only": ["core", "observe"], "alone_tasks": 1000})["figures"]
    assert all(figures[measure.name] > 0 for measure in MEASURES if measure.group in ("core", "observe"))


def test_quick_plans_are_smaller() -> None:
    quick, full = (make_plan(["start"], quick=quick) for quick in (True, False))
    assert quick["seconds"] < full["seconds"]


class OnlyTasks(contender.Contender):
    """A contender that knows tasks, in this process, and nothing else."""

    def load(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def round_trip(self) -> None: ...
    def pipelined(self, count: int) -> None: ...
    def run_all(self, function: object, arguments: Sequence[object]) -> None: ...

    def nested(self, submitters: int, count: int) -> None:
        raise ValueError("it broke\nat length")


def test_what_a_contender_lacks_is_left_out_and_what_fails_says_why() -> None:
    plan = {"only": list(GROUPS), "seconds": 0.001, "array_bytes": 1000}
    plan["only"].remove("memory")
    plan["only"].remove("mixed")
    outcome = contender.measure(OnlyTasks(), plan)
    assert set(outcome["figures"]) == {"import_s", "start_s", "round_trips_per_s", "pipelined_per_s", "batches_per_s"}
    assert outcome["failed"] == {"nested": "ValueError: it broke"}


def test_every_load_has_a_measure() -> None:
    assert {group for group, _ in PARTS} | set(ALONE) | {"start"} == set(GROUPS)
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)


def test_peers_need_nothing_of_ours() -> None:
    # The peers' interpreter has neither cellray nor its dependencies.
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['cellray', 'msgspec', 'ray', 'distributed', 'ipyparallel', 'joblib']))\n"
        "from tests.bench.peers import dask, ipyparallel, joblib, process_pool, ray\n"
        "import tests.bench.loads"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
