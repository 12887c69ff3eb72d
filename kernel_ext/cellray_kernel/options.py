"""The options of `%%remote`, parsed from its line.

parse_options("--for seed in range(64) --num-cpus 2")
-> RemoteOptions(loop=Loop("seed in range(64)", ("seed",)), num_cpus=2.0)
"""

from __future__ import annotations

import ast
import difflib
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from IPython.core.error import UsageError

USAGE = """%%remote [options]: run this cell on the background runtime.
  --for VAR in EXPR     one task for each element; EXPR may end with `if COND`, VAR may be a tuple
  --into NAME           bind the last expression's value (with --for: the list of values) to NAME
  --num-cpus N          CPUs that the task takes (1)
  --num-gpus N          GPUs that the task takes (0)
  --resources k=v,...   custom resources that it takes
  --max-retries N       how often to run it again when its worker dies (3)
  --name NAME           what views call it
  --wait, --no-wait     wait for the end (default with --for), or go on at once (default without)
  --fail-fast           with --for: cancel the rest when one element fails"""

FLAGS = ("wait", "no-wait", "fail-fast", "help")
VALUES = ("for", "into", "num-cpus", "num-gpus", "resources", "max-retries", "name")


@dataclass(frozen=True, slots=True)
class Loop:
    """`clause` is the text between `for` and the end, `names` what its targets bind, in order."""

    clause: str
    names: tuple[str, ...]

    def elements(self, namespace: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Evaluate it in `namespace`; the values of `names` for each element. Raises what the expression raises."""
        targets = "".join(f"{name}," for name in self.names)
        code = compile(f"[({targets}) for {self.clause}]", "<--for>", "eval")
        elements: list[tuple[Any, ...]] = eval(code, namespace)
        return elements


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """What the line asks for. None means: not said."""

    loop: Loop | None = None
    into: str | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None
    resources: dict[str, float] = field(default_factory=dict)
    max_retries: int | None = None
    name: str | None = None
    wait: bool | None = None
    fail_fast: bool = False

    @property
    def waits(self) -> bool:
        """Whether the cell stays busy until its tasks ended."""
        return self.loop is not None if self.wait is None else self.wait


def parse_options(line: str) -> RemoteOptions:
    """Parse the text behind `%%remote`. Raises UsageError, which IPython shows in one line without frames."""
    found: dict[str, Any] = {}
    for name, text in split_options(line):
        if name not in FLAGS and name not in VALUES:
            raise UsageError(_unknown(name))
        if name == "help":
            raise UsageError(USAGE)
        if name in found:
            raise UsageError(f"--{name} is given twice")
        found[name] = _flag(name, text) if name in FLAGS else _value(name, text)
    if "wait" in found and "no-wait" in found:
        raise UsageError("--wait and --no-wait exclude each other")
    if "fail-fast" in found and "for" not in found:
        raise UsageError("--fail-fast belongs to --for")
    wait = True if "wait" in found else False if "no-wait" in found else None
    return RemoteOptions(
        loop=found.get("for"),
        into=found.get("into"),
        num_cpus=found.get("num-cpus"),
        num_gpus=found.get("num-gpus"),
        resources=found.get("resources", {}),
        max_retries=found.get("max-retries"),
        name=found.get("name"),
        wait=wait,
        fail_fast="fail-fast" in found,
    )


def split_options(line: str) -> list[tuple[str, str]]:
    """The line cut at each ` --word` that stands outside of brackets and quotes: (word, text behind it) pairs."""
    starts = _option_starts(line)
    head = line[: starts[0]] if starts else line
    if head.strip():
        raise UsageError(f"%%remote does not take {head.strip()!r} here: options begin with --\n{USAGE}")
    pairs = []
    for start, end in pairwise([*starts, len(line)]):
        word, _, text = line[start + 2 : end].strip().partition(" ")
        name, equals, attached = word.partition("=")
        pairs.append((name, (attached + " " + text).strip() if equals else text.strip()))
    return pairs


def _option_starts(line: str) -> list[int]:
    starts: list[int] = []
    depth, quote, position = 0, "", 0
    while position < len(line):
        character = line[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth == 0 and _begins_option(line, position):
            starts.append(position)
        position += 1
    return starts


def _begins_option(line: str, position: int) -> bool:
    begins_word = position == 0 or line[position - 1].isspace()
    return begins_word and line.startswith("--", position) and line[position + 2 : position + 3].isalpha()


def _flag(name: str, text: str) -> bool:
    if text:
        raise UsageError(f"--{name} takes no value, got {text!r}")
    return True


def _value(name: str, text: str) -> Any:
    if not text:
        raise UsageError(f"--{name} needs a value\n{USAGE}")
    readers: dict[str, Callable[[str, str], Any]] = {
        "for": _loop,
        "into": _identifier,
        "num-cpus": _amount,
        "num-gpus": _amount,
        "resources": _resources,
        "max-retries": _count,
        "name": _text,
    }
    return readers[name](name, text)


def _loop(_name: str, text: str) -> Loop:
    try:
        tree = ast.parse(f"[0 for {text}\n]", mode="eval").body
    except SyntaxError:
        tree = ast.Constant(None)
    if not isinstance(tree, ast.ListComp):
        raise UsageError(f"--for wants VAR in EXPR, such as `--for seed in range(64)`, got {text!r}")
    if any(generator.is_async for generator in tree.generators):
        raise UsageError("--for cannot be asynchronous")
    names = {
        node.id: None
        for generator in tree.generators
        for node in ast.walk(generator.target)
        if isinstance(node, ast.Name)
    }
    return Loop(text, tuple(names))


def _identifier(name: str, text: str) -> str:
    if not text.isidentifier():
        raise UsageError(f"--{name} wants the name of a variable, got {text!r}")
    return text


def _amount(name: str, text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        raise UsageError(f"--{name} wants a number, got {text!r}") from None
    if not 0 <= amount < float("inf"):
        raise UsageError(f"--{name} wants a number of at least 0, got {text!r}")
    return amount


def _count(name: str, text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise UsageError(f"--{name} wants a whole number, got {text!r}") from None
    if count < -1:
        raise UsageError(f"--{name} wants at least 0, or -1 for without end, got {text!r}")
    return count


def _resources(name: str, text: str) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for part in text.replace(" ", "").split(","):
        key, equals, amount = part.partition("=")
        if not key or not equals:
            raise UsageError(f"--{name} wants name=amount, separated by commas, got {text!r}")
        amounts[key] = _amount(name, amount)
    return amounts


def _text(name: str, text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--{name}: {error}") from None
    if len(words) != 1:
        raise UsageError(f"--{name} wants one word, or quotes around several, got {text!r}")
    return words[0]


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*FLAGS, *VALUES], n=1, cutoff=0.6)
    hint = f" Did you mean --{near[0]}?" if near else ""
    return f"%%remote has no option --{name}.{hint}\n{USAGE}"
