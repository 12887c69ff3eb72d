"""Two real sessions compared: a program agrees with itself, and the first task that does not is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cellray
from cellray.observe.diff.answer import Diff
from cellray.observe.diff.compare import compare
from cellray.observe.diff.run import Run

from tests.helpers.homes import session_of_two


@cellray.remote
def load(seed: int, noise: float = 0.0) -> list[float]:
    return [seed * 0.5, seed + noise]


@cellray.remote
def train(data: list[float], options: dict[str, Any]) -> float:
    parts = [score.remote(each) for each in data]
    return sum(cellray.get(parts)) * options["rate"]


@cellray.remote
def score(x: float) -> float:
    return x * x


@cellray.remote
class Best:
    def __init__(self) -> None:
        self.value = 0.0

    def offer(self, value: float) -> float:
        self.value = max(self.value, value)
        return self.value


def search(noise: float) -> None:
    best = Best.remote()
    options = cellray.put({"rate": 0.1})
    models = [train.remote(load.remote(seed, noise if seed == 2 else 0.0), options) for seed in range(4)]
    cellray.get([best.offer.remote(model) for model in models])


def run_of(program: Callable[[], None]) -> Run:
    with session_of_two():
        program()
        with cellray.open_log() as log:
            return Run(log.history.iter())


def test_a_program_agrees_with_itself_and_the_first_difference_is_found() -> None:
    before = run_of(lambda: search(0.0))
    again = compare(before, run_of(lambda: search(0.0)))
    assert not again, str(again)
    assert again.same == len(before.tasks) == 1 + 4 + 4 + 8 + 4
    found: Diff = compare(before, run_of(lambda: search(3.0)))
    assert found.first is not None
    assert (found.first.name.rpartition(".")[2], found.first.aspects) == ("load", ["input", "output"])
    downstream = {each.function.rpartition(".")[2] for each in found.downstream}
    assert downstream == {"train", "score", "Best"}, str(found)
    assert found.others == []
