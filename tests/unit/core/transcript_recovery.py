"""The words of transcripts for actors that lose no state."""

from __future__ import annotations

from collections.abc import Callable

from cellray.ids import ClientId, FunctionHash, TaskId
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.actor import ActorOptions, Checkpoint
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure
from cellray.model.task import Function, TaskTemplate, make_template


class RecoveryWords:
    """A part of `transcript.Interpreter`."""

    at: float
    clients: dict[str, ClientId]
    tasks: dict[str, TaskId]
    templates: dict[str, TaskTemplate]

    def _on_defines_recovering(self, name: str, words: list[str]) -> tuple[ClientId, list[f.Fact]]:
        """`d defines-recovering C every=2`: a class with methods `m` (recorded) and `look` (read-only)."""
        every = int(words[1].removeprefix("every=")) if words[1:] else -1
        content = FunctionHash(words[0].encode().ljust(16, b"-"))
        actor = ActorOptions(words[0], max_restarts=-1, max_task_retries=1, recovers=True, checkpoint_every=every)
        creation = make_template(content, f"{words[0]}.__init__", (), max_retries=0, actor=actor)
        recorded = make_template(content, f"{words[0]}.m", (), max_retries=1, method="m", recorded=True)
        look = make_template(content, f"{words[0]}.look", (), max_retries=1, method="look")
        templates = {words[0]: creation, "m": recorded, "look": look}
        self.templates |= templates
        registered: list[f.Fact] = [f.FunctionRegistered(Function(content, words[0], "m", "", b""), self.at)]
        registered += [f.TemplateRegistered(template, self.at) for template in templates.values()]
        return self.clients[name], registered

    def _on_checkpoints(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 checkpoints x =state` (after call x), or `w1 checkpoints x file=f bytes=100000`."""
        options = dict(word.split("=", 1) for word in words[1:])
        size = int(options.get("bytes", "0"))
        state = ObjectValue(ValueKind.INLINE, options.get("", "").encode(), 0, size)
        return self.clients[name], f.CheckpointTaken(self.tasks[words[0]], self.at, state, options.get("file", ""))

    def _on_cannot_restore(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w2 cannot-restore a "KeyError: 'x'"`: the constructor returned, `__restore__` raised."""
        error = encode_failure(Failure("actor_died", words[1], {"restore_failed": words[1]}))
        return self.clients[name], f.TaskFailed(self.tasks[words[0]], self.at - 0.001, self.at, error, words[1])


def shown_checkpoint(checkpoint: Checkpoint) -> str:
    """A checkpoint in a command or a fact."""
    state = f"file {checkpoint.file}" if checkpoint.file else repr(checkpoint.state.data.decode())
    return f"{state} after {checkpoint.calls} call(s)"


def shown_run(command: c.TasksAssigned) -> str:
    """What else a worker is told of what it runs."""
    restored = f", then restore {shown_checkpoint(command.restore)}" if command.restore is not None else ""
    return restored + " again" * command.is_replay


def shown_fact(fact: f.LoggedFact, name_of: Callable[[bytes], str]) -> str | None:
    """A fact of recovery; None for all others."""
    match fact:
        case f.ActorCheckpointed(actor, _, checkpoint):
            return f"ActorCheckpointed {name_of(actor)}: {shown_checkpoint(checkpoint)}"
        case f.CheckpointFailed(actor, _, task_id, reason):
            return f"CheckpointFailed {name_of(actor)}, {name_of(task_id)}: {reason}"
        case f.ActorRestored(actor, _, calls, replayed):
            again = ", ".join(map(name_of, replayed)) or "nothing"
            return f"ActorRestored {name_of(actor)} after {calls} call(s), runs {again} again"
    return None
