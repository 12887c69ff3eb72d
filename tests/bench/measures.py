"""What is measured: each figure's name, title, unit, and what a reader must know to judge it."""

from __future__ import annotations

from typing import NamedTuple


class Measure(NamedTuple):
    """One table. `group` is the name for `--only`; `scale` turns a contender's figure into `unit`."""

    name: str
    group: str
    title: str
    unit: str
    more_is_better: bool
    note: str
    scale: float = 1.0
    has_peers: bool = True


MEASURES = (
    Measure(
        "start_s",
        "start",
        "From `init()` to the first result",
        "ms",
        False,
        "A fresh process each time; importing the library not included.",
        1e3,
    ),
    Measure("import_s", "start", "Importing the library", "ms", False, "Before the above, in the same process.", 1e3),
    Measure(
        "round_trips_per_s",
        "round_trip",
        "Blocking round trips of empty tasks",
        "1/s",
        True,
        "One task at a time: submit, wait for its result.",
    ),
    Measure(
        "pipelined_per_s",
        "pipelined",
        "Pipelined empty tasks",
        "1/s",
        True,
        "Submit all, then wait for all results. joblib gets them as one list, and runs them in batches.",
    ),
    Measure(
        "session_pss_bytes",
        "memory",
        "Memory of an idle session with two warm workers",
        "MB",
        False,
        "PSS of all processes that the driver started, summed; the driver apart. Dask's scheduler lives in the driver.",
        1e-6,
    ),
    Measure("driver_pss_bytes", "memory", "Memory of the driver then", "MB", False, "PSS.", 1e-6),
    Measure(
        "small_objects_per_s",
        "objects",
        "Put and get of a small value",
        "1/s",
        True,
        "A dictionary with a list of ten numbers, stored and read back by the same process.",
    ),
    Measure(
        "put_array_s",
        "objects",
        "Put of an array of 100 MB",
        "ms",
        False,
        "The reference is one thread's copy into warm memory of the same process.",
        1e3,
    ),
    Measure(
        "get_array_s",
        "objects",
        "Get of that array",
        "ms",
        False,
        "A view of shared memory where the system has one, else a copy.",
        1e3,
    ),
    Measure(
        "core_us",
        "core",
        "The node's pure core alone, per empty task",
        "µs",
        False,
        "Submitted in batches, dispatched, finished, released; no process, no socket.",
        has_peers=False,
    ),
)
GROUPS = tuple(dict.fromkeys(measure.group for measure in MEASURES))
