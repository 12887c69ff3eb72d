"""In what one task differs between two runs: its code, its arguments, its outcome."""

from __future__ import annotations

from cellray.observe.diff.run import Run, RunTask, source_of_put
from cellray.serialization.differences import difference_of_bytes
from cellray.serialization.value import deserialize


def code_difference(task: RunTask, other: RunTask) -> str:
    """What of the function was edited, or that another one was called."""
    if task.function != other.function:
        return f"the first run called {task.function}, the second {other.function}"
    if task.name != other.name:
        return f"it was called {task.name!r} and then {other.name!r}"
    if task.source == other.source:
        return f"{task.function} has the same text, and captures other values"
    lines = zip(task.source.splitlines(), other.source.splitlines(), strict=False)
    changed = next(((a.strip(), b.strip()) for a, b in lines if a != b), None)
    return f"{task.function} was edited" + (f": `{changed[0]}` became `{changed[1]}`" if changed is not None else "")


def arguments_difference(first: Run, second: Run, task: RunTask, other: RunTask) -> str:
    """Which arguments differ; empty when none does. What another task returned is the same, whatever it came to be."""
    if task.inputs != other.inputs:
        found = _first_difference(task.inputs[0], other.inputs[0])
        return f"its arguments differ{found}"
    for index, (mine, theirs) in enumerate(zip(task.sources, other.sources, strict=True)):
        if mine != theirs:
            return f"its argument {index + 1} comes from another task"
        if source_of_put(mine, first) != source_of_put(theirs, second):
            return f"its argument {index + 1}, stored with put, has another value"
    return ""


def outcome_difference(task: RunTask, other: RunTask) -> str:
    """In what a task ended another way; empty when it did not."""
    if task.state != other.state:
        return f"it {_ended(task)} and then {_ended(other)}"
    if task.error != other.error:
        return f"it {_ended(task)} and then {_ended(other)}"
    if task.made == other.made:
        return ""
    for index, (mine, theirs) in enumerate(zip(task.made, other.made, strict=False)):
        if mine != theirs:
            number = f" {index + 1}" if len(task.made) > 1 else ""
            return f"its result{number} differs{_first_difference(mine[1], theirs[1])}"
    return f"it gave {len(task.made)} values and then {len(other.made)}"


def _ended(task: RunTask) -> str:
    if task.state == "unfinished":
        return "had not ended when the log did"
    return task.state if not task.error else f"{task.state} ({task.error})"


def _first_difference(mine: object, theirs: object) -> str:
    """`: [3]['loss']: 0.31 != 0.29`, if both can be read here; of what the log has no bytes nothing but sizes."""
    if isinstance(mine, bytes) and isinstance(theirs, bytes):
        try:
            found = difference_of_bytes(mine, deserialize(theirs))
        except Exception:
            return ""  # their classes are not to be had here, or they hold references: that they differ is all
        return f": {found}" if found else ""
    return (
        f": {mine:,} bytes and then {theirs:,}"
        if mine != theirs and isinstance(mine, int) and isinstance(theirs, int)
        else ""
    )
