"""Who is measured and how each is run: one fresh process for each round, figures as its last line of output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / ".venvs" / "peers" / "bin" / "python"
TIMEOUT_S = 240.0


class Entry(NamedTuple):
    """A contender. `distribution` is what must be installed in the peers' environment; empty: runs in ours.

    One that no bar refers to takes part in every second round only: it is slow, and its figures are for orientation.
    """

    name: str
    module: str
    distribution: str = ""
    every: int = 1


OURS = Entry("cellray", "tests.bench.ours")
OURS_ALONE = Entry("cellray", "tests.bench.alone")
PEERS = (
    Entry("ProcessPoolExecutor", "tests.bench.peers.process_pool"),
    Entry("ray", "tests.bench.peers.ray", "ray"),
    Entry("dask", "tests.bench.peers.dask", "distributed", every=2),
    Entry("ipyparallel", "tests.bench.peers.ipyparallel", "ipyparallel", every=2),
    Entry("joblib", "tests.bench.peers.joblib", "joblib", every=2),
)


class Result(NamedTuple):
    """One process's figures, and why some are missing; `error` says in one line why there are none."""

    figures: dict[str, float]
    failed: dict[str, str]
    error: str = ""


def make_plan(groups: list[str], *, quick: bool) -> dict[str, Any]:
    """What a process is to measure."""
    return {
        "only": groups,
        "seconds": 0.2 if quick else 1.0,
        "array_bytes": 100_000_000,
        "alone_tasks": 20_000 if quick else 200_000,
    }


def versions(python: Path, distributions: list[str]) -> dict[str, str]:
    """Versions by distribution; those that are not installed are left out."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    try:
        listed = subprocess.run([python, "-c", code, *distributions], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, str] = json.loads(listed.stdout)
    return found


def run(entry: Entry, plan: dict[str, Any], timeout_s: float = TIMEOUT_S) -> Result:
    """Run the contender once; never raises for what it does."""
    python = str(PEERS_PYTHON) if entry.distribution else sys.executable
    process = subprocess.Popen(
        [python, "-m", entry.module, json.dumps(plan)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Result({}, {}, f"not done after {timeout_s:g} s")
    return parse_output(output, errors, process.returncode)


def parse_output(output: str, errors: str, status: int) -> Result:
    """The figures in the last line, whatever a library has printed before; else the last line of the errors."""
    try:
        outcome = json.loads(_last_line(output))
        return Result(outcome["figures"], outcome["failed"])
    except (ValueError, TypeError, KeyError):
        return Result({}, {}, _last_line(errors) or f"it ended with status {status} and said nothing")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
