"""Which kinds of facts there are: those that the log keeps, and those that concern connections and not history."""

from __future__ import annotations

from typing import get_args

from cellray.model.fact.actor import ActorDied, ActorExited, ActorKillRequested, ActorStarted
from cellray.model.fact.checkpoint import ActorCheckpointed, ActorRestored, CheckpointFailed, CheckpointTaken
from cellray.model.fact.direct import DirectCallsMade, DirectLineRequested, DirectLinesShut
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

LoggedFact = (
    SessionStarted
    | SessionEnded
    | NodeJoined
    | WorkerStarted
    | WorkerExited
    | JobStarted
    | JobEnded
    | FunctionRegistered
    | TemplateRegistered
    | TasksSubmitted
    | TasksDispatched
    | TasksReturned
    | TaskStarted
    | TaskFinished
    | TaskFailed
    | TaskCancelled
    | CancelRequested
    | ObjectSealed
    | ObjectsFreed
    | TaskOutput
    | WorkerBlocked
    | WorkerUnblocked
    | TaskRetried
    | ActorStarted
    | ActorDied
    | ActorKillRequested
    | ActorExited
    | ItemsYielded
    | ObjectSpilled
    | ObjectRestored
    | SpillFailed
    | WorkerOutput
    | GroupRemoved
    | ActorCheckpointed
    | CheckpointFailed
    | ActorRestored
    | SpanEnded
    | ObjectLost
    | ObjectReconstructed
    | ReconstructionFailed
    | ResultRecalled
    | OutputDiverged
    | LogForgotten
)
UnloggedFact = (
    ObjectsRequested
    | ObjectsHeld
    | ObjectsReleased
    | SpaceRequested
    | SpaceReturned
    | ClockTicked
    | MemoryMeasured
    | ActorNameRequested
    | ActorNamesRequested
    | TaskRequested
    | ItemsTaken
    | GeneratorDropped
    | ViewsRequested
    | ViewsHeld
    | ViewsReleased
    | WorkerWrote
    | NodeStateRequested
    | CheckpointTaken
    | FaultRequested
    | DirectCallsMade
    | DirectLineRequested
    | DirectLinesShut
)
Fact = LoggedFact | UnloggedFact

UNLOGGED: tuple[type, ...] = get_args(UnloggedFact)
"""The core consumes these and the log does not keep them."""
