"""Tasks of all lengths keep the cores busy, nobody waits behind a long one for nothing, and drivers share."""

from __future__ import annotations

from random import Random

import pytest
from cellray.core.dispatcher import RECLAIM_SOON_S
from cellray.ids import FunctionHash
from cellray.model.task import TaskTemplate, make_resources, make_template

from tests.sim.mixed import TimedNode

CPUS = 2
ONE_CPU = make_resources({"CPU": 1})
LOADS = [
    # name, seconds of each task, how many
    ("1 ms", (0.001,), 3000),
    ("10 ms", (0.010,), 500),
    ("1 or 10 ms, of one function", (0.001, 0.010), 1000),
    ("anything up to 100 ms, of one function", (0.0005, 0.002, 0.010, 0.050, 0.100), 600),
]


def template(name: str) -> TaskTemplate:
    return make_template(FunctionHash(name.encode().ljust(16, b"-")), name, ONE_CPU)


F, SHORT, LONG = template("f"), template("short"), template("long")


@pytest.mark.parametrize(("name", "lengths", "count"), LOADS, ids=[load[0] for load in LOADS])
def test_both_cores_are_busy(name: str, lengths: tuple[float, ...], count: int) -> None:
    random = Random(name)
    node = TimedNode(CPUS, [F])
    node.submit(1, node.add_driver(1), [(F, random.choice(lengths)) for _ in range(count)])
    began = node.at
    node.run()
    # The last task may be a long one that nobody can share.
    spread_s = max(node.ended.values()) - began - max(lengths)
    share = sum(worker.busy_s for worker in node.workers) / (CPUS * spread_s)
    assert share > 0.95, f"{name}: the cores worked {share:.1%} of the time"


def test_functions_of_different_lengths_together() -> None:
    random = Random(3)
    node = TimedNode(CPUS, [SHORT, LONG])
    tasks = [(LONG, 0.100) if random.random() < 0.1 else (SHORT, 0.001) for _ in range(1500)]
    node.submit(1, node.add_driver(1), tasks)
    began = node.at
    node.run()
    share = sum(worker.busy_s for worker in node.workers) / (CPUS * (max(node.ended.values()) - began - 0.1))
    assert share > 0.95, f"the cores worked {share:.1%} of the time"


@pytest.mark.parametrize("seed", range(5))
def test_a_long_task_holds_nobody_up_while_a_worker_is_idle(seed: int) -> None:
    """A worker is given short tasks ahead, and one of them turns out to be long: those behind it are taken back."""
    random = Random(seed)
    node = TimedNode(CPUS, [F])
    root = node.add_driver(1)
    node.submit(1, root, [(F, 0.0002)] * 200)  # the mean says that these are short
    for _ in range(20):
        burst = [(F, 1.0 if random.random() < 0.05 else 0.0002) for _ in range(40)]
        node.later(random.uniform(0, 3), lambda burst=burst: node.submit(1, root, burst) and None)  # type: ignore[misc]
    node.run()
    config = node.core._config
    longest_s = RECLAIM_SOON_S + 0.003
    assert longest_s < config.tick_ms / 1000
    assert max(node.run_s.values()) == 1.0, "there was a long one"
    assert node.held_up_s < longest_s, f"a task stood {node.held_up_s * 1000:.1f} ms behind another one for nothing"


@pytest.mark.parametrize("run_s", [0.001, 0.010])
def test_a_driver_that_comes_later_gets_its_half(run_s: float) -> None:
    node = TimedNode(CPUS, [F])
    first = node.submit(1, node.add_driver(1), [(F, run_s)] * 2000)
    came = []

    def come() -> None:
        came.append(node.at)
        came.append(node.submit(2, node.add_driver(2), [(F, run_s)] * 200))  # type: ignore[arg-type]

    node.later(100 * run_s, come)
    node.run()
    at, second = came
    last_s = max(node.ended[task_id] for task_id in second)  # type: ignore[attr-defined]
    meanwhile = sum(at < node.ended[task_id] <= last_s for task_id in first)
    assert 150 < meanwhile < 250, f"{meanwhile} tasks of the first driver ended during 200 of the second"
