"""`cellray.replay`: a task of the past, run once more in this process."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Iterator
from typing import Any

from cellray.api import current
from cellray.api.session import current_session
from cellray.config import load_config
from cellray.core.expectations import divergence_text
from cellray.core.outcome import end_of
from cellray.engines.native import NativeEngine
from cellray.errors import OutputDivergedError, ReplayError
from cellray.ids import TASK_ID_BYTES, ObjectId, TaskId, is_put, producer_of, return_object_id, short_task_id
from cellray.model.fact import OutputDiverged, TaskFailed
from cellray.model.history import TaskHistory
from cellray.node.control_client import ControlClient
from cellray.node.settings import SessionFolder
from cellray.observe.log import Log, open_log
from cellray.observe.subjects import NodeKey, key_of
from cellray.replaying.actor_states import ActorStates
from cellray.replaying.comparing import Divergence, divergence_of_error, divergence_of_value
from cellray.replaying.debugger import Pdb, Stepper, users_part, was_quit
from cellray.replaying.past import Past, hidden_modules, name_of
from cellray.replaying.runner import Runner
from cellray.serialization import deserialize, serialize

LOG_WAIT_S = 5.0
LOOK_AGAIN_S = 0.005
WORKER_WAIT_S = 0.1


def replay(task: Any, log: Log | str | None = None, *, pdb: Pdb = False) -> Any:
    """Run a task of this session, or of an opened log, once more in this process, and return what it returns.

    `task` is an ObjectRef, a generator of references, or the id of a task or object. It runs with its function, its
    arguments and its `cellray.task_seed()` of then; an argument that is nowhere to be had is made again by replaying
    what made it. What it submits is not run again: it gets the results of then. A method of an actor runs on the state
    that the actor had, rebuilt from its constructor and the calls before. Of a generator the items are returned as a
    list, of the creation of an actor the instance. Nothing that runs is touched, but files and services that the code
    itself uses are. Meanwhile the verbs of this process, `get` and the others, speak to the replay, in all threads.

    `pdb=True` stops where the task raises, or at its first line if it had not raised then; `pdb="start"` at its first
    line; a `pdb.Pdb` of your own is used instead of the usual one. Leaving the debugger ends the replay with None.

    `log` is a log of `cellray.open_log()`, or its path; None is that of this process's session. Raises what the task
    raises, and ReplayError when it cannot be run. A value that is not the one of then is told as a warning with the
    first difference, and in the log of a session that runs; CELLRAY_DIVERGENCE_IS_ERROR=1 makes it an
    OutputDivergedError.

        cellray.replay(ref)
        cellray.replay(ref, pdb=True)
        cellray.replay("5f2a9c1e-17", cellray.open_log("session_1"))
    """
    __tracebackhide__ = True  # what the task raises is shown from its own lines on
    with opened(log) as scene:
        history = scene.ended(task)
        ours = hidden_modules(history)
        stepper = Stepper(pdb, ours, had_raised=isinstance(end_of(history), TaskFailed))
        try:
            result = scene.runner.run(history, stepper)
        except ReplayError:
            raise
        except BaseException as error:
            if was_quit(error):
                return None
            if isinstance(error, Exception):
                scene.report(history, divergence_of_error(history, error))
            raise error.with_traceback(users_part(error.__traceback__, ours))  # noqa: B904
        with scene.runner.engine.installed():
            divergence = divergence_of_value(history, result, scene.runner.values)
        scene.report(history, divergence)
        return scene.at_home(result)


def catch_up(engine: NativeEngine, log: Log) -> None:
    """Until everything that this process has been told of is in the log, which is a few milliseconds behind."""
    engine.node_state()  # what was sent before the question is known to the node when it answers
    session = current_session()
    if session is None:
        time.sleep(WORKER_WAIT_S)  # a worker, which does not know where its session can be asked
        return
    folder = SessionFolder(session.address)
    with ControlClient(folder.control_socket, folder.read_token()) as control:
        wanted = control.status(LOG_WAIT_S).log_sequence
    deadline = time.monotonic() + LOG_WAIT_S
    while log.history.last_sequence() < wanted and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_S)


class Scene:
    """Where a replay takes place: the log that it reads, and the session that runs if the log is of that."""

    def __init__(self, log: Log) -> None:
        engine = current.engine_or_none()
        is_ours = engine is not None and engine.runtime.session_id == log.session_id
        self.live = engine if is_ours and isinstance(engine, NativeEngine) else None
        self.log = log
        self.past = Past(log)
        self.runner = Runner(self.past, self.live)
        self.runner.states = ActorStates(self.runner, log.checkpoint_folder)
        if self.live is not None:
            catch_up(self.live, log)

    def ended(self, subject: Any) -> TaskHistory:
        """The task that is meant, which has ended.

        Raises ReplayError when the log does not know it or it has not ended, TypeError or ValueError for no name.
        """
        task_id = self.task_id(subject)
        history = self.past.task(task_id)
        if history is not None and (self.live is None or end_of(history) is not None):
            return history
        if history is None:
            raise ReplayError(
                f"the log of session {self.log.session_id} knows no task {short_task_id(task_id)}: it is of another "
                "session (open its log and give it as `log`), or what was first in this log was given up."
            )
        raise ReplayError(
            f"{name_of(history)} has not ended yet. Wait for it, with cellray.wait([ref]), and try again."
        )

    def task_id(self, subject: Any) -> TaskId:
        """The task that is meant by a reference, a handle or an id."""
        key = self._key(subject)
        if len(key) == TASK_ID_BYTES:
            return TaskId(key)
        if is_put(ObjectId(key)):
            raise ReplayError(
                f"object {key.hex()} was stored with put(), no task returned it. To run what stored it: "
                f"cellray.replay({producer_of(ObjectId(key)).hex()!r})."
            )
        return producer_of(ObjectId(key))

    def object_id(self, subject: Any) -> ObjectId:
        """The object that is meant; of a task its first return."""
        key = self._key(subject)
        return return_object_id(TaskId(key), 0) if len(key) == TASK_ID_BYTES else ObjectId(key)

    def _key(self, subject: Any) -> NodeKey:
        try:
            return key_of(subject, self.log.fold() if isinstance(subject, str) and "-" in subject else None)
        except KeyError:
            raise ReplayError(f"the log of session {self.log.session_id} knows no task {subject}") from None

    def name_of_call(self, task_id: TaskId) -> str:
        """For people."""
        history = self.past.task(task_id)
        return name_of(history) if history is not None else short_task_id(task_id)

    def report(self, history: TaskHistory, divergence: Divergence | None) -> None:
        """Say what is not as it was then, where that is to be said."""
        if divergence is None:
            return
        assert history.template is not None, "it was run"
        fact = OutputDiverged(divergence[0], time.time(), divergence[1])
        text = divergence_text(fact, history.template.name, history.template.cell)
        if self.live is not None:
            self.live.channel.add(fact)
        config = self.live.config if self.live is not None else load_config(os.environ)
        if config.divergence_is_error:
            raise OutputDivergedError(text)
        warnings.warn(text, stacklevel=3)

    def at_home(self, result: Any) -> Any:
        """The result, with references in it as ones of the session that runs."""
        with self.runner.engine.installed():
            try:
                serialized = serialize(result)
            except Exception:  # the instance of an actor may hold anything
                return result
        if self.live is None or not serialized.contained:
            return result
        return deserialize(serialized.to_bytes())


@contextlib.contextmanager
def opened(log: Log | str | None) -> Iterator[Scene]:
    """The scene of a log that is given, or opened and closed again."""
    if isinstance(log, Log):
        yield Scene(log)
        return
    if log is not None and not isinstance(log, str | os.PathLike):
        raise TypeError(f"log={log!r:.60}: give what cellray.open_log() returns, its path, or None for this session's")
    with open_log(None if log is None else os.fspath(log)) as found:
        yield Scene(found)
