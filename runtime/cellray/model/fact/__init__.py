"""Facts: what happened. The node's core consumes them and the event log keeps them; one vocabulary for both.

A frame from a driver or worker, and a record of the log, is a msgpack list of these. Tags never change their
meaning; a field is only ever added at the end, with a default. Times (`at`, `*_at`) are seconds since the epoch.
Facts in `UNLOGGED` concern connections, not history: the core consumes them and the log does not keep them.
"""

from __future__ import annotations

from cellray.model.fact.actor import ActorDied, ActorExited, ActorKillRequested, ActorStarted
from cellray.model.fact.checkpoint import ActorCheckpointed, ActorRestored, CheckpointFailed, CheckpointTaken
from cellray.model.fact.codec import decode_facts, encode_facts, fact_decoder, fact_encoder
from cellray.model.fact.direct import DirectCall, DirectCallsMade, DirectLineRequested, DirectLinesShut
from cellray.model.fact.kinds import UNLOGGED, Fact, LoggedFact, UnloggedFact
from cellray.model.fact.log import LogForgotten
from cellray.model.fact.object import (
    ObjectRestored,
    ObjectSealed,
    ObjectsFreed,
    ObjectSpilled,
    OutputDiverged,
    SpillFailed,
)
from cellray.model.fact.recovery import (
    FaultRequested,
    ObjectLost,
    ObjectReconstructed,
    ReconstructionFailed,
    ResultRecalled,
)
from cellray.model.fact.request import (
    ActorNameRequested,
    ActorNamesRequested,
    ClockTicked,
    GeneratorDropped,
    ItemsTaken,
    MemoryMeasured,
    NodeStateRequested,
    ObjectsHeld,
    ObjectsReleased,
    ObjectsRequested,
    SpaceRequested,
    SpaceReturned,
    TaskRequested,
    ViewsHeld,
    ViewsReleased,
    ViewsRequested,
    WorkerWrote,
)
from cellray.model.fact.session import (
    LOG_SCHEMA_VERSION,
    JobEnded,
    JobStarted,
    NodeJoined,
    SessionEnded,
    SessionStarted,
)
from cellray.model.fact.span import SpanEnded
from cellray.model.fact.task import (
    CancelRequested,
    FunctionRegistered,
    GroupRemoved,
    ItemsYielded,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TasksDispatched,
    TasksReturned,
    TasksSubmitted,
    TaskStarted,
    TemplateRegistered,
)
from cellray.model.fact.worker import WorkerBlocked, WorkerExited, WorkerOutput, WorkerStarted, WorkerUnblocked

__all__ = [
    "LOG_SCHEMA_VERSION",
    "UNLOGGED",
    "ActorCheckpointed",
    "ActorDied",
    "ActorExited",
    "ActorKillRequested",
    "ActorNameRequested",
    "ActorNamesRequested",
    "ActorRestored",
    "ActorStarted",
    "CancelRequested",
    "CheckpointFailed",
    "CheckpointTaken",
    "ClockTicked",
    "DirectCall",
    "DirectCallsMade",
    "DirectLineRequested",
    "DirectLinesShut",
    "Fact",
    "FaultRequested",
    "FunctionRegistered",
    "GeneratorDropped",
    "GroupRemoved",
    "ItemsTaken",
    "ItemsYielded",
    "JobEnded",
    "JobStarted",
    "LogForgotten",
    "LoggedFact",
    "MemoryMeasured",
    "NodeJoined",
    "NodeStateRequested",
    "ObjectLost",
    "ObjectReconstructed",
    "ObjectRestored",
    "ObjectSealed",
    "ObjectSpilled",
    "ObjectsFreed",
    "ObjectsHeld",
    "ObjectsReleased",
    "ObjectsRequested",
    "OutputDiverged",
    "ReconstructionFailed",
    "ResultRecalled",
    "SessionEnded",
    "SessionStarted",
    "SpaceRequested",
    "SpaceReturned",
    "SpanEnded",
    "SpillFailed",
    "TaskCancelled",
    "TaskFailed",
    "TaskFinished",
    "TaskOutput",
    "TaskRequested",
    "TaskRetried",
    "TaskStarted",
    "TasksDispatched",
    "TasksReturned",
    "TasksSubmitted",
    "TemplateRegistered",
    "UnloggedFact",
    "ViewsHeld",
    "ViewsReleased",
    "ViewsRequested",
    "WorkerBlocked",
    "WorkerExited",
    "WorkerOutput",
    "WorkerStarted",
    "WorkerUnblocked",
    "WorkerWrote",
    "decode_facts",
    "encode_facts",
    "fact_decoder",
    "fact_encoder",
]
