"""What a replayed task submits: the tasks of then, by their ids; what is new runs here when its result is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from cellray.core.outcome import end_of
from cellray.errors import ReplayError
from cellray.ids import TaskId, producer_of, return_object_ids, short_task_id
from cellray.model.history import TaskHistory
from cellray.model.task import StreamOptions
from cellray.ports import SubmitOptions
from cellray.serialization import (
    STORED_ARGUMENTS,
    Serialized,
    deserialize_arguments,
    first_difference,
    serialize_arguments,
)

if TYPE_CHECKING:
    from cellray.replaying.runner import Runner


class Submission(NamedTuple):
    """A task as it is submitted now; `function` is None for calls of actors."""

    function: Callable[..., Any] | None
    options: SubmitOptions
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @property
    def stream(self) -> StreamOptions | None:
        """It is a generator."""
        return self.options.stream

    def called_with(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Submission:
        """The same with arguments."""
        return self._replace(args=args, kwargs=kwargs)


class Submissions:
    """Of one replayed task. `items` counts what the generators among them have yielded, as far as they ran here."""

    def __init__(self, runner: Runner) -> None:
        self.items: dict[TaskId, int] = {}
        self._runner = runner
        self._open: dict[TaskId, Submission] = {}

    def add(self, task_id: TaskId, submission: Submission) -> None:
        """The task was submitted."""
        self._open[task_id] = submission

    def settle(self, task_id: TaskId) -> None:
        """Somebody wants a result of this task: see that there is one, if it is one of ours."""
        submission = self._open.pop(task_id, None)
        if submission is None:
            return
        history = self._runner.past.task(task_id)
        if history is not None and _is_the_same(history, submission) and end_of(history) is not None:
            return
        if submission.function is None or submission.options.actor is not None:
            raise ReplayError(
                f"{submission.options.name} (task {short_task_id(task_id)}) is not in the log as the replay calls it, "
                "and a replay calls no actors. The task has gone another way than then: look where it begins to differ "
                "with pdb='start'."
            )
        self._run_here(task_id, submission)

    def _run_here(self, task_id: TaskId, submission: Submission) -> None:
        assert submission.function is not None, "not a call of an actor"
        values = self._runner.values
        returns = return_object_ids(task_id, submission.options.num_returns)
        try:
            result = self._runner.run_new(task_id, submission.function, submission.options, self._resolved(submission))
        except Exception as error:
            for obj in returns:
                values.add_error(obj, error)
            return
        yields = submission.options.stream is not None
        if yields:
            self.items[task_id] = len(result)
        values.add_results(task_id, len(returns), result, yields=yields)

    def _resolved(self, submission: Submission) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the values of references in their places, and copied, as a worker would get them."""
        payload, dependencies, _ = serialize_arguments(submission.args, submission.kwargs)
        data = payload.to_bytes() if isinstance(payload, Serialized) else payload
        for obj in dependencies:
            self.settle(producer_of(obj))
        return deserialize_arguments(data, [self._runner.values.load(obj) for obj in dependencies])


def _is_the_same(history: TaskHistory, submission: Submission) -> bool:
    """Whether what is submitted now is what was submitted then at this place: by name and arguments."""
    template, spec = history.template, history.spec
    if template is None or template.name != submission.options.name or template.method != submission.options.method:
        return False
    payload, dependencies, _ = serialize_arguments(submission.args, submission.kwargs)
    if spec.args == STORED_ARGUMENTS:
        return dependencies == spec.dependencies[:-1]  # the others were too large for the log
    data = payload.to_bytes() if isinstance(payload, Serialized) else payload
    if dependencies != spec.dependencies:
        return False
    blank = [None] * len(dependencies)
    return data == spec.args or (
        first_difference(deserialize_arguments(spec.args, blank), deserialize_arguments(data, blank)) is None
    )
