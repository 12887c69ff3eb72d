"""What the log says of objects, entered into the fold's books: stored, freed, moved, lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cellray.model import fact as told
from cellray.model.object import ObjectValue, ValueKind
from cellray.observe.ledger import TaskLedger
from cellray.observe.messages import ObjectStateName


class ObjectFacts:
    """The handlers of one fold; `note_time` is told the time of each fact."""

    def __init__(self, ledger: TaskLedger, note_time: Callable[[float], None]) -> None:
        self._ledger = ledger
        self._note_time = note_time

    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """What to call for each kind of fact."""
        return {
            told.ObjectSealed: self._on_object_sealed,
            told.ObjectsFreed: self._on_objects_freed,
            told.ObjectSpilled: self._on_object_spilled,
            told.ObjectRestored: self._on_object_restored,
            told.SpillFailed: self._on_spill_failed,
            told.ObjectLost: self._on_object_lost,
            told.ObjectReconstructed: self._on_object_reconstructed,
            told.ReconstructionFailed: self._on_object_lost,
        }

    def _on_object_sealed(self, fact: told.ObjectSealed) -> None:
        state, object_bytes = object_state(fact.value)
        self._ledger.put_object(fact.object_id, state, object_bytes, is_error=fact.value.is_error)
        self._note_time(fact.at)

    def _on_objects_freed(self, fact: told.ObjectsFreed) -> None:
        for object_id in fact.object_ids:
            self._ledger.free_object(object_id)
        self._note_time(fact.at)

    def _on_object_spilled(self, fact: told.ObjectSpilled) -> None:
        self._ledger.move_object(fact.object_id, "spilled")
        self._note_time(fact.at)

    def _on_object_restored(self, fact: told.ObjectRestored) -> None:
        self._ledger.move_object(fact.object_id, "shared")
        self._note_time(fact.at)

    def _on_spill_failed(self, fact: told.SpillFailed) -> None:
        if fact.restoring:
            self._ledger.stories.note_loss(fact)
            self._ledger.move_object(fact.object_id, "lost")
        self._note_time(fact.at)

    def _on_object_lost(self, fact: told.ObjectLost | told.ReconstructionFailed) -> None:
        self._ledger.stories.note_loss(fact)
        self._ledger.move_object(fact.object_id, "lost")
        self._note_time(fact.at)

    def _on_object_reconstructed(self, fact: told.ObjectReconstructed) -> None:
        self._ledger.stories.note_reconstruction(fact)
        self._ledger.move_object(fact.object_id, "inline" if fact.from_log else "shared")
        self._note_time(fact.at)


def object_state(value: ObjectValue) -> tuple[ObjectStateName, int]:
    """How a value is shown, and its size: the log keeps small values and of larger ones the size."""
    return ("shared" if value.kind == ValueKind.SHARED else "inline"), value.object_bytes or len(value.data)
