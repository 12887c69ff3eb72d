"""The state of the actor that this process is: made into checkpoints now and then, restored in the process after it.

A checkpoint is what `__checkpoint__` returns, serialised at once, so that the actor may go on changing it. After how
many calls it was made the node's core knows, which has seen their results before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cellray.client.channel import Channel
from cellray.ids import TaskId
from cellray.model.actor import ActorOptions, Checkpoint
from cellray.model.fact import CheckpointFailed, CheckpointTaken
from cellray.model.object import ObjectValue, ValueKind
from cellray.serialization import deserialize, reference_seam, serialize
from cellray.store import read_checkpoint, write_checkpoint
from cellray.worker.actor_exit import Role


class RestoreFailedError(Exception):
    """The state could not be restored; the cause says why."""


class Checkpoints:
    """Of an actor that recovers."""

    current: Checkpoints | None = None
    """Those of this process."""

    def __init__(
        self,
        options: ActorOptions,
        restored: Checkpoint | None,
        folder: str,
        inline_bytes_max: int,
        current_task: Callable[[], TaskId],
        channel: Channel,
    ) -> None:
        self._options = options
        self._restored = restored
        self._folder = folder
        self._inline_bytes_max = inline_bytes_max
        self._current_task = current_task
        self._channel = channel
        self._instance: Any = None
        self._calls = 0
        self._references: Any = None

    def created(self, instance: Any) -> None:
        """The constructor has returned: give the instance the state that it is to have, if one is given.

        Raises RestoreFailedError.
        """
        self._instance = instance
        restored, self._restored = self._restored, None
        if restored is None:
            return
        try:
            data = restored.state.data
            if restored.file:
                data = read_checkpoint(self._folder, restored.file, restored.state.object_bytes)
            instance.__restore__(deserialize(data, writable=True))
        except Exception as error:
            raise RestoreFailedError(f"{type(error).__name__}: {error}") from error

    def let_go(self) -> None:
        """The actor is about to end."""
        self._instance = self._references = None

    def ran(self) -> None:
        """A recorded call has ended, and its result is on its way; it is the current task still."""
        self._calls += 1
        if self._options.checkpoint_every > 0 and self._calls >= self._options.checkpoint_every:
            self._calls = 0
            self._channel.flush()  # the call's result does not wait for the checkpoint
            try:
                self.take()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                assert Role.actor is not None, "only actors have checkpoints"
                self._channel.add(CheckpointFailed(Role.actor.actor_id, time.time(), self._current_task(), reason))

    def take(self) -> int:
        """Make a checkpoint; its bytes. Raises what `__checkpoint__` raises, SerializationError, OSError."""
        options, task_id = self._options, self._current_task()
        if options.checkpoint_every < 0:
            raise TypeError(f"{options.class_name} defines no __checkpoint__(self) and __restore__(self, state)")
        serialized = serialize(self._instance.__checkpoint__(), f"the checkpoint of {options.class_name}")
        contained, state_bytes = serialized.contained, serialized.total_bytes
        file, state = "", ObjectValue(ValueKind.INLINE, b"", 0, state_bytes, contained)
        if state_bytes <= self._inline_bytes_max:
            state = ObjectValue(ValueKind.INLINE, serialized.to_bytes(), contained=contained)
        else:
            assert Role.actor is not None, "only actors have checkpoints"
            file = f"{Role.actor.actor_id.hex()}-{task_id.hex()}.state"
            write_checkpoint(self._folder, file, serialized.parts)
        # Held until the node has certainly heard of the state that refers to them.
        self._references = reference_seam.rebuild(contained) if contained else None
        self._channel.add(CheckpointTaken(task_id, time.time(), state, file))
        return state_bytes
