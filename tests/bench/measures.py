"""What is measured: each figure's name, title, unit, what a reader must know to judge it, and what it should reach."""

from __future__ import annotations

from typing import NamedTuple

PPE = "ProcessPoolExecutor"
RAY = "ray"


class Bar(NamedTuple):
    """The least that is accepted: `times` what `of` reaches in the same rounds, or, with nobody to compare with, a
    figure in the measure's unit. `of` is a contender, or another figure of ours."""

    times: float
    of: str = ""


class Measure(NamedTuple):
    """One table. `group` is the name for `--only`; `scale` turns a figure into `unit`, in which `goal` is."""

    name: str
    group: str
    title: str
    unit: str
    note: str
    scale: float = 1.0
    more_is_better: bool = True
    goal: float | None = None
    bars: tuple[Bar, ...] = ()
    has_peers: bool = True


START = (
    Measure(
        "start_s",
        "start",
        "From `init()` to the first result",
        "ms",
        "A fresh process each time; importing the library not included.",
        scale=1e3,
        more_is_better=False,
        goal=400,
        bars=(Bar(800),),
    ),
    Measure(
        "import_s",
        "start",
        "Importing the library",
        "ms",
        "Before the above, in the same process.",
        scale=1e3,
        more_is_better=False,
    ),
    Measure(
        "session_pss_bytes",
        "memory",
        "Memory of an idle session with two warm workers",
        "MB",
        "PSS of all processes that the driver started, summed; the driver apart. Dask's scheduler lives in the driver.",
        scale=1e-6,
        more_is_better=False,
        goal=90,
        bars=(Bar(150),),
    ),
    Measure("driver_pss_bytes", "memory", "Memory of the driver then", "MB", "PSS.", scale=1e-6, more_is_better=False),
)

TASKS = (
    Measure(
        "round_trips_per_s",
        "tasks",
        "Empty tasks, blocking",
        "1/s",
        "One task at a time: submit, wait for its result.",
        goal=15_000,
        bars=(Bar(2, PPE), Bar(14, RAY)),
    ),
    Measure(
        "pipelined_per_s",
        "tasks",
        "Empty tasks, pipelined",
        "1/s",
        "Submit a second's worth, then wait for all results. joblib gets them as one list, and runs them in batches.",
        goal=200_000,
        bars=(Bar(10, PPE), Bar(40, RAY)),
    ),
    Measure(
        "batches_per_s",
        "tasks",
        "Empty tasks, a thousand at a time",
        "1/s",
        "Submit a thousand, wait for all results, and again.",
    ),
    Measure(
        "nested_per_s",
        "nested",
        "Empty tasks from four workers at once",
        "1/s",
        "Four actors (Dask: tasks) submit and wait; all their tasks together.",
        goal=100_000,
        bars=(Bar(30, RAY),),
    ),
    Measure(
        "waits_per_s",
        "wait",
        "Waiting for 1,000 futures one by one",
        "rounds/s",
        "Submit 1,000 empty tasks and `wait` 1,000 times for one of those that are left.",
        goal=300,
        bars=(Bar(50, RAY),),
    ),
    Measure(
        "mapped_per_s",
        "pool",
        "Tiny functions mapped by a process pool",
        "1/s",
        "`Pool(2).map` with chunks as large as the pool makes them: `util.multiprocessing` of Cellray and Ray, the "
        "standard library's own in the row of its executor. joblib has no pool: `Parallel`.",
    ),
)

ACTORS = (
    Measure(
        "actor_calls_blocking_per_s",
        "actors",
        "Calls of an actor, blocking",
        "1/s",
        "One at a time.",
        goal=15_000,
        bars=(Bar(7, RAY),),
    ),
    Measure(
        "actor_calls_per_s",
        "actors",
        "Calls of an actor, pipelined",
        "1/s",
        "Submit a second's worth, then wait for all results.",
        goal=200_000,
        bars=(Bar(20, RAY),),
    ),
    Measure(
        "async_actor_calls_blocking_per_s",
        "async_actors",
        "Calls of an async actor, blocking",
        "1/s",
        "One at a time.",
        goal=8_000,
        bars=(Bar(6, RAY),),
    ),
    Measure(
        "async_actor_calls_per_s",
        "async_actors",
        "Calls of an async actor, pipelined",
        "1/s",
        "Submit a second's worth, then wait for all results.",
        goal=50_000,
        bars=(Bar(10, RAY),),
    ),
    Measure(
        "pair_calls_per_s",
        "pairs",
        "Calls with a stored argument, n callers to n actors",
        "1/s",
        "Callers are actors too; n is half the number of cores.",
    ),
)

OBJECTS = (
    Measure("puts_per_s", "objects", "Put of a small value", "1/s", "A number.", goal=200_000, bars=(Bar(50, RAY),)),
    Measure(
        "gets_per_s",
        "objects",
        "Get of a small value",
        "1/s",
        "The same one again and again.",
        goal=500_000,
        bars=(Bar(20, RAY),),
    ),
    Measure(
        "put_bytes_per_s",
        "objects",
        "Put of arrays of 100 MB",
        "GB/s",
        "One after another, each dropped before the next, after the store's pages have been touched.",
        scale=1e-9,
        bars=(Bar(1, RAY), Bar(0.8, "copied_bytes_per_s")),
    ),
    Measure(
        "copied_bytes_per_s",
        "objects",
        "NumPy's copy of such an array",
        "GB/s",
        "Within one process, into warm memory, by one thread: what a put is measured by.",
        scale=1e-9,
    ),
    Measure(
        "array_gets_per_s",
        "objects",
        "Get of an array of 100 MB",
        "1/s",
        "A view of shared memory where the system has one, else a copy; dropped before the next.",
        goal=20_000,
        bars=(Bar(0.8, "smaller_array_gets_per_s"),),
    ),
    Measure(
        "smaller_array_gets_per_s",
        "objects",
        "Get of an array of 1 MB",
        "1/s",
        "Without a copy, the size makes no difference.",
    ),
    Measure(
        "many_references_per_s",
        "references",
        "Get of an object that holds 10,000 references",
        "1/s",
        "Made by a task that has put 10,000 numbers.",
        goal=150,
        bars=(Bar(4, RAY),),
    ),
)

MIXED = (
    *(
        Measure(
            f"used_by_{name}",
            "mixed",
            f"Cores kept busy by {title}",
            "%",
            "CPU time of the tasks as a share of two cores from the first submission to the last result. What the "
            "system itself uses, and whatever else runs on the machine, is missing from it.",
            scale=100,
            bars=(Bar(95),),
        )
        for name, title in (
            ("1_ms", "tasks of 1 ms"),
            ("10_ms", "tasks of 10 ms"),
            ("mixed", "tasks of 1 to 50 ms"),
        )
    ),
    Measure(
        "behind_long_s",
        "mixed",
        "Short tasks beside a long one",
        "ms",
        "One task of 300 ms and 20 of 0 ms of the same function in one burst, two workers: until the last short one is "
        "there, the worst of 5 bursts.",
        scale=1e3,
        more_is_better=False,
        bars=(Bar(100),),
    ),
    Measure(
        "fairness",
        "fairness",
        "Fairness between two drivers",
        "Jain's index",
        "Both want all cores for tasks of 1 ms, one keeps 500 of them waiting, the other 50. 1 when both get the same, "
        "0.5 when one gets nothing.",
        bars=(Bar(0.95),),
    ),
)

ALONE = (
    Measure(
        "core_us",
        "core",
        "The node's pure core alone, per empty task",
        "µs",
        "Submitted in batches, dispatched, finished, released; no process, no socket.",
        more_is_better=False,
        has_peers=False,
    ),
    *(
        Measure(name, group, title, unit, note, scale, more_is_better=unit == "1/s", has_peers=False)
        for name, group, title, unit, scale, note in (
            ("redis_start_s", "gcs", "redis-server from nothing to its first answer", "ms", 1e3, "Median of 5."),
            ("append_cpu_s", "gcs", "CPU of an append to the log", "µs", 1e6, "20 KB, as a busy node's; on our side."),
            ("append_server_cpu_s", "gcs", "CPU of an append in redis-server", "µs", 1e6, "The same appends."),
            ("buffer_add_s", "gcs", "Adding a frame of facts to the log's buffer", "ns", 1e9, "The hot path."),
            ("records_written_per_s", "gcs", "Records from the buffer to Redis", "1/s", 1.0, "200 bytes each."),
            ("records_read_per_s", "gcs", "Records read back", "1/s", 1.0, "A thousand at a time."),
            ("fold_s", "observe", "Folding the log, per task", "µs", 1e6, "Decoding included; three facts a task."),
            ("lineage_s", "observe", "Making the lineage, per task", "µs", 1e6, "Of the folded log."),
            ("tasks_delta_s", "observe", "A delta of all tasks drawn one by one", "ms", 1e3, "2,000 tasks."),
            ("boxes_delta_s", "observe", "A delta of boxes", "ms", 1e3, "In which every task of the log changed."),
            ("snapshot_s", "observe", "A snapshot of all tasks drawn one by one", "ms", 1e3, "2,000 tasks."),
        )
    ),
)

LOG = tuple(
    Measure(name, "log", title, unit, note, scale, more_is_better=name == "log_cost", bars=bars, has_peers=False)
    for name, title, unit, scale, bars, note in (
        (
            "log_cost",
            "Throughput with the log",
            "of that without",
            1.0,
            (Bar(0.8),),
            "Empty tasks, sessions that alternate. Without it facts are encoded, and thrown away instead of sent.",
        ),
        (
            "log_memory_spread",
            "How far the log's memory strays",
            "%",
            100.0,
            (Bar(10),),
            "From its median, from the first fifth of the tasks on; of the session's redis-server, as it counts it.",
        ),
        ("log_memory_max", "The log's memory at most", "% of its limit", 100.0, (Bar(100),), "In the same run."),
        ("log_early_find_s", "Finding one of the first tasks then", "ms", 1e3, (), "The session runs on."),
        ("log_seen_s", "From a task's end until a follower sees it", "ms", 1e3, (Bar(50),), "Median."),
        ("log_archive_cpu_s", "CPU of archiving, per task", "µs", 1e6, (), "In a process beside the node."),
        ("log_find_closed_s", "Finding a task in an archive just opened", "ms", 1e3, (), "Median."),
        ("log_find_s", "Finding a task in an archive", "ms", 1e3, (), "Median."),
    )
)

MEASURES: tuple[Measure, ...] = (*START, *TASKS, *ACTORS, *OBJECTS, *MIXED, *ALONE, *LOG)
GROUPS = tuple(dict.fromkeys(measure.group for measure in MEASURES))
