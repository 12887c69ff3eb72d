"""What virtual tasks do: a short program for each task, the same whenever the task runs.

A retried task must submit the same children and put the same objects, so a program follows from the task's id and the
seed alone; whether a worker crashes meanwhile does not.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from cellray.ids import FunctionHash, TaskId
from cellray.model.task import StreamOptions, TaskTemplate, make_resources, make_template

NODE_RESOURCES: dict[str, float] = {"CPU": 4, "GPU": 1}
FUNCTION = FunctionHash(b"simulated-work--")
DEPTH_MAX = 4


class Op(NamedTuple):
    """One step of a program: `kind`, and how many or how large."""

    kind: str
    amount: int = 0


def _template(name: str, amounts: dict[str, float], **options: StreamOptions | int | bool | str) -> TaskTemplate:
    return make_template(FUNCTION, name, make_resources(amounts), **options)  # type: ignore[arg-type]


TEMPLATES = (
    _template("one", {"CPU": 1}),
    _template("two_returns", {"CPU": 1}, num_returns=2),
    _template("no_return", {"CPU": 1}, num_returns=0),
    _template("half", {"CPU": 0.5}),
    _template("wide", {"CPU": 3}),
    _template("gpu", {"CPU": 1, "GPU": 1}),
    _template("free", {}),
    _template("fragile", {"CPU": 1}, max_retries=0),
    _template("stubborn", {"CPU": 1}, retry_exceptions=True, max_retries=2),
    _template("impossible", {"GPU": 9}),
    _template("elsewhere", {"CPU": 1}, environment="E"),
    _template("items", {"CPU": 1}, stream=StreamOptions()),
    _template("paced_items", {"CPU": 1}, stream=StreamOptions(2)),
    _template("worn", {"CPU": 1}, max_calls=3),
)
WEIGHTS = (30, 6, 3, 6, 3, 4, 4, 3, 4, 1, 6, 4, 4, 2)
WEIGHTS_BELOW = (30, 6, 3, 6, 3, 0, 4, 3, 4, 1, 6, 4, 4, 2)
"""Of tasks that tasks submit: one that waits for a GPU while its parent holds it would wait for ever."""


def program(seed: int, task_id: TaskId, depth: int, template: TaskTemplate) -> list[Op]:
    """The steps of the task `depth` levels below its driver."""
    random = Random(f"{seed} {task_id.hex()}")
    if template.actor is not None:
        # The same each time it runs: an actor whose constructor fails does not come to be by a restart.
        return [Op("work", random.choice((0, 0, 2))), Op("fail_creation" if random.random() < 0.1 else "return")]
    ops: list[Op] = [Op("work", random.choice((0, 0, 0, 1, 3)))]
    if template.stream is not None:
        ops += [Op("yield", random.choice((0, 0, 0, 70_000))) for _ in range(random.choice((0, 1, 3, 7)))]
    if random.random() < 0.15:
        ops.append(Op("put", random.choice((50, 5_000, 60_000))))
    if depth < DEPTH_MAX and random.random() < 0.25:
        ops.append(Op("spawn", random.randint(1, 3)))
        if random.random() < 0.7:
            ops.append(Op("get"))
        if random.random() < 0.2:
            ops.append(Op("spawn", 1))
            ops.append(Op("get"))
    if random.random() < 0.1:
        ops.append(Op("print"))
    if template.method and random.random() < 0.03:
        ops.append(Op("exit_actor"))
    if random.random() < 0.07:
        ops.append(Op("raise"))
    elif random.random() < 0.15:
        ops.append(Op("return_shared", random.choice((70_000, 120_000, 200_000))))
    else:
        ops.append(Op("return"))
    return ops
