"""Finds the first task that went another way in a second run, and what followed from it.

A difference shows at a time: that of code or arguments when the task is submitted, that of an output when it ends.
What causes another difference shows before it. So the earliest is the first of all, also where one would look in vain
for an edge: a driver that reads a result and calls something else.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from cellray.observe.diff.answer import Aspect, Diff, Divergence, FunctionTimes
from cellray.observe.diff.aspects import arguments_difference, code_difference, outcome_difference
from cellray.observe.diff.run import Path, Run, RunTask


def compare(first: Run, second: Run) -> Diff:
    """The difference of two runs."""
    found: dict[Path, Divergence] = {}
    for path, task in first.tasks.items():
        divergence = _divergence(first, second, task, second.tasks.get(path))
        if divergence is not None:
            found[path] = divergence
    for path, task in second.tasks.items():
        if path not in first.tasks:
            found[path] = _only(task, "extra", _place_of(first, path), "only the second run has it")
    order = sorted(found.values(), key=lambda each: (each.shows_at, each.path))
    start = order[0] if order else None
    below = _downstream((first, second), start.path) if start is not None else set()
    return Diff(
        first=start,
        downstream=[each for each in order[1:] if each.path in below],
        others=[each for each in order[1:] if each.path not in below],
        same=len(first.tasks) + len(second.tasks.keys() - first.tasks.keys()) - len(found),
        functions=_times(first, second),
    )


def _divergence(first: Run, second: Run, task: RunTask, other: RunTask | None) -> Divergence | None:
    if other is None:
        return _only(task, "missing", task.submitted_at, "only the first run has it")
    aspects: list[Aspect] = []
    texts: list[str] = []
    outcome = outcome_difference(task, other)
    is_edited = task.code != other.code and (task.source != other.source or not task.source)
    if task.name != other.name or is_edited or (task.code != other.code and outcome):
        aspects.append("code")
        texts.append(code_difference(task, other))
    arguments = arguments_difference(first, second, task, other)
    if arguments:
        aspects.append("input")
        texts.append(arguments)
    if outcome:
        aspects.append("output")
        texts.append(outcome)
    if not aspects:
        return None
    return Divergence(
        path=task.path,
        name=task.name,
        function=task.function,
        aspects=aspects,
        text="; ".join(texts),
        shows_at=task.submitted_at if aspects != ["output"] else task.finished_at or task.submitted_at,
        task_a=task.task_id.hex(),
        task_b=other.task_id.hex(),
    )


def _only(task: RunTask, aspect: Aspect, shows_at: float, text: str) -> Divergence:
    task_id = task.task_id.hex()
    return Divergence(
        path=task.path,
        name=task.name,
        function=task.function,
        aspects=[aspect],
        text=text,
        shows_at=shows_at,
        task_a=task_id if aspect == "missing" else None,
        task_b=task_id if aspect == "extra" else None,
    )


def _place_of(run: Run, path: Path) -> float:
    """When the first run would have submitted a task that only the second has: after its elder sibling, or parent."""
    siblings = (run.tasks.get((*path[:-1], index)) for index in range(path[-1] - 1, -1, -1))
    elder = next((task for task in siblings if task is not None), None)
    if elder is not None:
        return elder.submitted_at
    parent = run.tasks.get(path[:-1])
    return parent.started_at or parent.submitted_at if parent is not None else 0.0


def _downstream(runs: tuple[Run, Run], start: Path) -> set[Path]:
    """All that came of a task in either run: by its results, in its children, its parent's results, its actor."""
    ahead: dict[Path, list[tuple[Path, bool]]] = defaultdict(list)
    for run in runs:
        for path, task in run.tasks.items():
            for source in (*(each for each, _ in task.sources), task.before):
                if source is not None and len(source) > 1:
                    ahead[source].append((path, True))
    tasks = runs[0].tasks.keys() | runs[1].tasks.keys()
    children: dict[Path, list[Path]] = defaultdict(list)
    for path in tasks:
        children[path[:-1]].append(path)
    whole = {start: True}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for path, as_whole in _steps(here, whole[here], ahead, children):
            if path not in whole or (as_whole and not whole[path]):
                whole[path] = as_whole
                queue.append(path)
    return set(whole)


def _steps(
    here: Path, whole: bool, ahead: dict[Path, list[tuple[Path, bool]]], children: dict[Path, list[Path]]
) -> Iterator[tuple[Path, bool]]:
    yield from ahead[here]
    if whole:
        yield from ((child, True) for child in children[here])
    if len(here) > 2:
        yield here[:-1], False


def _times(first: Run, second: Run) -> list[FunctionTimes]:
    """By function, the one that gained or lost most time first."""
    took: tuple[dict[str, list[float]], dict[str, list[float]]] = (defaultdict(list), defaultdict(list))
    for run, by_function in zip((first, second), took, strict=True):
        for task in run.tasks.values():
            if task.duration_s is not None and task.state == "finished":
                by_function[task.function].append(task.duration_s)
    found = [
        FunctionTimes(name, len(took[0][name]), sum(took[0][name]), len(took[1][name]), sum(took[1][name]))
        for name in took[0].keys() | took[1].keys()
    ]
    return sorted(found, key=lambda each: (-abs(each.total_b_s - each.total_a_s), each.function))
