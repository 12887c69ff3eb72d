"""The demonstration, headless: executes the quickstart notebook and says what ran.

    python notebooks/run_demo.py [--output FOLDER] [--in-place]

Writes the executed notebook and the pictures of its graph and lineage to FOLDER (notebooks/output). `--in-place` saves
the outputs in the notebook itself, as it is shown in the repository.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE / "00_quickstart.ipynb"
CELL_TIMEOUT_S = 180


def main() -> int:
    """Exit code 1 when a cell fails; its error is printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE / "output")
    parser.add_argument("--in-place", action="store_true", help="save the outputs in the notebook itself")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    started = time.monotonic()
    try:
        NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": str(HERE)}},
            # The kernel warns at each start that its loopback port is not encrypted.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        ).execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    wall_s = time.monotonic() - started
    executed = NOTEBOOK if options.in_place else options.output / NOTEBOOK.name
    nbformat.write(notebook, executed)
    pictures = _save_pictures(notebook, options.output)
    _report(notebook, wall_s, executed, pictures)
    return 0


def _outputs(notebook: Any, source_begins: str) -> Iterator[Any]:
    """Outputs of the code cells that begin so."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith(source_begins):
            yield from cell.outputs


def _save_pictures(notebook: Any, folder: Path) -> dict[str, Path]:
    """The static pictures that the notebook keeps of its widgets."""
    saved = {}
    for name in ("graph", "lineage"):
        for output in _outputs(notebook, f"%{name}"):
            picture = output.get("data", {}).get("image/svg+xml")
            if picture:
                saved[name] = folder / f"{name}.svg"
                saved[name].write_text("".join(picture), encoding="utf-8")
    return saved


def _text(notebook: Any, source_begins: str) -> str:
    """All text that cells which begin so show."""
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in _outputs(notebook, source_begins)
    )


def _report(notebook: Any, wall_s: float, executed: Path, pictures: dict[str, Path]) -> None:
    tasks = re.search(r"(\d[\d,]*)/(\d[\d,]*) done", _text(notebook, "%graph"))
    best = re.search(r"starts: (-?\d+)", _text(notebook, "winner = "))
    if tasks is None or best is None or "lineage" not in pictures:
        raise SystemExit(f"the notebook ran, but its outputs are not as expected; see {executed}")
    rows = [
        ("tasks run", tasks[1]),
        ("best return", best[1]),
        ("wall time", f"{wall_s:.1f} s"),
        ("notebook", _short(executed)),
        ("task graph", _short(pictures["graph"])),
        ("lineage", _short(pictures["lineage"])),
    ]
    for name, value in rows:
        print(f"{name:<12} {value}")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
