"""`make bench`: measures Cellray beside its peers and writes the tables.

.venv/bin/python -m tests.bench --only pipelined --repeats 3 --no-peers
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.alone.parts import ALONE
from tests.bench.contenders import OURS, OURS_ALONE, PEERS, PEERS_PYTHON, ROOT, Entry, make_plan, run, versions
from tests.bench.machine import load_average, this_machine
from tests.bench.measures import GROUPS, MEASURES
from tests.bench.report import Run, render
from tests.bench.rows import Row

RESULTS = ROOT / "tests" / "bench" / "results"


def main() -> None:
    """Measure, print Markdown, write Markdown and JSON."""
    options = parse_options()
    groups = options.only or list(GROUPS)
    peers = [] if options.no_peers or set(groups) <= set(ALONE) else PEERS
    if any(peer.distribution for peer in peers):
        subprocess.run([ROOT / "tools" / "install_peers.sh"], check=False)
    machine, load_before = this_machine(ROOT), load_average()
    rows = compete(peers, groups, options.repeats, quick=options.quick)
    measured = Run(
        machine=machine,
        started=time.strftime("%Y-%m-%d %H:%M"),
        load_before=load_before,
        load_after=load_average(),
        rounds=options.repeats,
        quick=options.quick,
        rows=rows,
    )
    text = render(measured, [measure for measure in MEASURES if measure.group in groups])
    write(measured, text, options.json)
    print(text)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Cellray beside its peers.")
    parser.add_argument("--only", action="append", choices=GROUPS, metavar="NAME", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--quick", action="store_true", help="short measurements: to see that they work")
    parser.add_argument("--no-peers", action="store_true", help="Cellray alone")
    parser.add_argument("--json", type=Path, help="where to write the figures (default: tests/bench/results)")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    return options


def compete(peers: Sequence[Entry], groups: list[str], rounds: int, *, quick: bool) -> list[Row]:
    """Every contender once a round, so that whatever else the machine does hits all alike. The first row is ours."""
    plan = make_plan(groups, quick=quick)
    absent = missing_peers(peers)
    parts = [
        entry
        for entry, is_wanted in ((OURS, set(groups) - set(ALONE)), (OURS_ALONE, set(groups) & set(ALONE)))
        if is_wanted
    ]
    rows = {
        entry.name: Row(entry.name, [{} for _ in range(rounds)], absent.get(entry.name, "")) for entry in (OURS, *peers)
    }
    for number in range(rounds):
        for entry in (*parts, *peers):
            row = rows[entry.name]
            if entry.name in absent or number % entry.every:
                continue
            print(f"round {number + 1}/{rounds}: {entry.name}", file=sys.stderr, flush=True)
            result = run(entry, plan)
            row.figures[number].update(result.figures)
            row.failed.update(result.failed)
            if result.error:
                row.absent = f"failed: {result.error}"
    return list(rows.values())


def missing_peers(entries: Sequence[Entry]) -> dict[str, str]:
    """Why peers cannot take part, by name."""
    needed = [entry for entry in entries if entry.distribution]
    found = versions(PEERS_PYTHON, [entry.distribution for entry in needed])
    return {entry.name: _why_missing(entry) for entry in needed if entry.distribution not in found}


def _why_missing(entry: Entry) -> str:
    log = PEERS_PYTHON.parents[1] / f"{entry.name}.failed"
    lines = log.read_text().strip().splitlines() if log.exists() else []
    return f"not installed: {lines[-1] if lines else 'tools/install_peers.sh has not run'}"


def write(measured: Run, text: str, json_path: Path | None) -> None:
    """Named by time and commit, so that runs can be compared."""
    RESULTS.mkdir(exist_ok=True)
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{measured.machine.commit.rstrip('+')}"
    (RESULTS / f"{stem}.md").write_text(text)
    (json_path or RESULTS / f"{stem}.json").write_text(json.dumps(measured.to_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
