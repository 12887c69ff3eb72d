"""Every limit and interval of the runtime, named once, with units last; environment variables override them.

`CELLRAY_INLINE_BYTES_MAX=50000` overrides `inline_bytes_max`, and so on. Unknown `CELLRAY_` names are refused, so
that a misspelt one is not silently without effect.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ENVIRONMENT_PREFIX = "CELLRAY_"
# Variables with the prefix that are no limits: read elsewhere.
OTHER_VARIABLES = frozenset(
    {
        "CELLRAY_ADDRESS",
        "CELLRAY_HOME",
        "CELLRAY_NUM_CPUS",
        "CELLRAY_DEDUP_LOGS_ALLOW_REGEX",
        "CELLRAY_DEDUP_LOGS_SKIP_REGEX",
    }
)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and intervals. Immutable; the node passes its own to its workers."""

    inline_bytes_max: int = 100 * 1024
    """Values up to this many serialised bytes travel inside frames; larger ones go to shared memory (as in Ray)."""
    frame_bytes_max: int = 512 * 1024 * 1024
    """A longer frame closes its connection: it is malformed or hostile."""
    submit_flush_ms: float = 1.0
    """A submitted task waits at most this long in the driver's buffer for company."""
    submit_batch_max: int = 512
    """Tasks in one frame from a driver or a submitting worker."""
    direct_calls_after: int = 4
    """A driver that has called an actor so often, each time waiting for the one result, talks to the actor's process
    itself, and one that has submitted so many tasks so to a worker; 0: never."""
    dispatch_batch_max: int = 256
    """Tasks held by one worker, running and prefetched."""
    dispatch_target_ms: float = 8.0
    """A worker is given about this much work ahead, by the mean duration of the function."""
    reclaim_after_ms: float = 20.0
    """A worker whose running task takes longer than this gives its prefetched tasks back."""
    tick_ms: float = 20.0
    """How often the node's core is told the time while anything is queued or running."""
    started_report_ms: float = 50.0
    """A task that runs longer than this gets a TaskStarted fact of its own; shorter ones carry it in TaskFinished."""
    log_flush_ms: float = 40.0
    """Facts wait at most this long for company before one write to the GCS."""
    log_batch_facts_max: int = 1000
    """Facts in one write to the GCS."""
    log_inline_value_bytes_max: int = 4096
    """Result values up to this size are kept in the log; of larger ones size and digest."""
    log_backlog_bytes_max: int = 256 * 1024 * 1024
    """Unwritten facts held while the GCS does not answer; beyond it submissions wait."""
    log_memory_bytes_max: int = 256 * 1024 * 1024
    """Memory of the session's Redis server: older parts of the log are moved to the archive on disk; 0: no limit."""
    log_archive_bytes_max: int = 10 * 1024 * 1024 * 1024
    """Disk space for the logs of all sessions of this user: the oldest are removed; 0: no log outlives its session."""
    log_archives_max: int = 100
    """Sessions whose logs are kept."""
    log_discarded: int = 0
    """1: facts are thrown away instead of logged, to measure what the log costs; nothing that reads it works."""
    session_start_timeout_s: float = 30.0
    """`init` gives up after this long and says which step was the slow one."""
    gcs_connect_timeout_s: float = 3.0
    """A Redis URL that does not answer within this time is an error."""
    cancel_grace_s: float = 5.0
    """A cancelled running task that has not ended by then has its worker killed."""
    checkpoint_inline_bytes_max: int = 16 * 1024
    """Checkpoints of actors up to this size are kept in the log; larger ones are files of the session's folder."""
    checkpoint_bytes_max: int = 16 * 1024 * 1024 * 1024
    """Disk space that files of checkpoints may take; a checkpoint beyond it is not kept, and the driver is warned."""
    actor_exit_grace_s: float = 10.0
    """An actor that was told to end and has not done so by then, with its `__del__` and `atexit`, is killed."""
    retry_pause_ms: float = 100.0
    """A task whose first retry has failed too waits so long before the next one, and before each further one twice as
    long."""
    retry_pause_s_max: float = 10.0
    """It waits at most this long."""
    workers_max: int = 512
    """Worker processes of one node, blocked ones included."""
    workers_spare_max: int = 16
    """Idle worker processes kept beyond the number of CPUs; more of them are told to exit."""
    reserve_after_ms: float = 1000.0
    """A task that could not get its resources for this long has what becomes free kept for it."""
    spill_bytes_max: int = 1 << 60
    """Disk space that objects moved out of shared memory may take; 0 turns spilling off."""
    spill_disk_share: float = 0.3
    """They take at most this share of what was free on the disk when the session started."""
    lineage_memory_share: float = 0.25
    """Values that nobody refers to, and that would be needed to make lost objects again, are kept up to this share of
    the shared memory."""
    spill_batch_bytes: int = 32 * 1024 * 1024
    """About this much is moved out at a time, so that not each new object has to wait for the disk."""
    space_wait_s: float = 30.0
    """A request for shared memory fails when nothing has moved for this long because everything is being read."""
    spill_wait_s: float = 2.0
    """It fails after this long when what stands in its way is the disk: full, broken, or the limit reached."""
    space_overtake_ms: float = 1000.0
    """Requests for shared memory that fit may overtake one that does not, until that one has waited this long."""
    memory_usage_threshold: float = 0.95
    """When more than this share of the memory is in use, of the machine or of our control group, a task is ended."""
    memory_monitor_refresh_ms: float = 250.0
    """How often the memory is looked at; 0: never."""
    output_bytes_max_per_s: int = 1_000_000
    """Output of one task forwarded to the driver; the rest is counted and left in the session's logs."""
    dedup_logs: int = 1
    """Whether lines that several processes print alike are counted instead of shown, when they are many; 0: never."""
    dedup_logs_after: int = 20
    """So many lines of one pattern are shown first. 1 shows only the first one, as Ray does."""
    dedup_logs_agg_window_s: float = 5.0
    """How long a pattern's lines are counted before the count is shown."""
    follow_interval_ms: float = 200.0
    """A live view gets at most one delta in this time, whatever the task rate."""
    divergence_is_error: int = 0
    """1: a task that ran again and gave another value than the first time fails with OutputDivergedError; 0: its driver
    is warned, and the first value stays where it is still there."""
    view_tasks_max: int = 2000
    """Above this many tasks a view folds them by function and cell."""


def load_config(environment: Mapping[str, str]) -> Config:
    """The defaults, overridden by `CELLRAY_*` variables.

    Raises ValueError naming the variable when it is unknown or its value is not of the limit's type.
    """
    fields = {f.name: f for f in msgspec.structs.fields(Config)}
    values: dict[str, float | int] = {}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in OTHER_VARIABLES:
            continue
        name = variable[len(ENVIRONMENT_PREFIX) :].lower()
        field = fields.get(name)
        if field is None:
            raise ValueError(
                f"unknown setting {variable}; the settings are "
                + ", ".join(ENVIRONMENT_PREFIX + known.upper() for known in sorted(fields))
            )
        try:
            number = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"{variable}={text!r} is not a number of the right kind: {error}") from None
        if number < 0:
            raise ValueError(f"{variable}={text!r} is negative; it is a limit or an interval")
        values[name] = number
    return Config(**values)  # type: ignore[arg-type]
