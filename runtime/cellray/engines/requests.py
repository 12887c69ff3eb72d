"""Questions to the node, each answered by a command that carries the number of its request."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine
    from cellray.model.fact import Fact


class Requests:
    """Those of one engine; `on_answer` is the handler of the answers."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine
        self._numbers = itertools.count()
        self._answers: dict[int, Any] = {}

    def ask(self, make: Callable[[int], Fact]) -> Any:
        """Send the fact that `make` returns for a number, and wait for the answer."""
        engine, answers = self._engine, self._answers
        engine.require_open()
        number = next(self._numbers)
        answers[number] = None
        engine.channel.add(make(number))
        engine.channel.flush()
        try:
            engine.channel.wait_until(lambda: answers[number] is not None)
        finally:
            answer = answers.pop(number)
        return answer

    def on_answer(self, command: Any) -> None:
        """The node answered; nobody may be interested any more."""
        if command.request in self._answers:
            self._answers[command.request] = command
