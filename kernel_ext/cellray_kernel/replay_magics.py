"""`%replay` and `%rerun`: their words, taken apart, and what they ask the runtime for."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

import cellray
from IPython.core.error import UsageError

REPLAY_USAGE = """%replay [--pdb] [--start] [--log PATH] REF

Runs the task that made REF once more, in this notebook: with its function, its arguments and its seed of then, and the
results of then for what it submits. Gives its value, or raises what it raises.

--pdb        stop in the debugger where it raises, or at its first line if it did not raise then
--start      stop in the debugger at its first line
--log PATH   a task of another session's log; REF is its id then

%replay losses[3]        %replay --pdb losses[3]        value = %replay losses[3]"""

RERUN_USAGE = """%rerun [-f NAME[=NEW]]... [--args EXPR] [--kwargs EXPR] [--dry-run] REF

Makes REF again with a change: only what depends on it runs, all else keeps its value. Gives a new reference.

-f NAME      the function or class that was called NAME is the one that is called so now; -f NAME=NEW: it is NEW
--args EXPR  other positional arguments for the task that made REF: a tuple or a list
--kwargs EXPR  other keyword arguments for it: a dict
--dry-run    only say what would run, why, and about how long

better = %rerun -f step score        %rerun --dry-run -f step=faster_step score"""


VALUE = r"""\s+(?:"([^"]*)"|'([^']*)'|(\S+))"""


class Words(NamedTuple):
    """A magic's line: its options with what was given for them, and the expression behind them as it was written."""

    options: dict[str, list[str]]
    expression: str

    def last(self, name: str) -> str | None:
        """What was given for an option that counts once."""
        given = self.options.get(name)
        return given[-1] if given else None


def read_words(line: str, flags: Collection[str], valued: Collection[str], usage: str) -> Words:
    """Take the options off the front of a line. Raises UsageError for unknown ones, and when nothing is behind them."""
    options: dict[str, list[str]] = {}
    rest = line.strip()
    while rest.startswith("-"):
        name = re.split(r"\s", rest, maxsplit=1)[0]
        rest = rest[len(name) :]
        if name in valued:
            found = re.match(VALUE, rest)
            if found is None:
                raise UsageError(f"{name} wants a value\n{usage}")
            options.setdefault(name, []).append(next(each for each in found.groups() if each is not None))
            rest = rest[found.end() :]
        elif name in flags:
            options[name] = []
        else:
            raise UsageError(f"unknown option {name}\n{usage}")
        rest = rest.strip()
    if not rest:
        raise UsageError(f"which task? Give a reference, such as `y` behind `y = f.remote(1)`\n{usage}")
    return Words(options, rest)


def replay(shell: Any, line: str) -> Any:
    """What `%replay` gives."""
    __tracebackhide__ = True
    words = read_words(line, ("--pdb", "--start"), ("--log",), REPLAY_USAGE)
    pdb: Any = "start" if "--start" in words.options else "--pdb" in words.options
    path = words.last("--log")
    if path is None:
        return cellray.replay(shell.ev(words.expression), pdb=pdb)
    is_id = re.fullmatch("[0-9a-f-]+", words.expression)
    with cellray.open_log(path) as log:
        return cellray.replay(words.expression if is_id else shell.ev(words.expression), log, pdb=pdb)


def rerun(shell: Any, line: str) -> Any:
    """What `%rerun` gives."""
    __tracebackhide__ = True
    words = read_words(line, ("--dry-run",), ("-f", "--args", "--kwargs"), RERUN_USAGE)
    functions = {}
    for each in words.options.get("-f", ()):
        name, _, new = each.partition("=")
        functions[name.strip()] = shell.ev(new or name)
    args = _evaluated(shell, words, "--args", tuple | list, "a tuple or a list, such as '(1, 2)'")
    kwargs = _evaluated(shell, words, "--kwargs", dict, "a dict, such as 'dict(rate=0.1)'")
    ref = shell.ev(words.expression)
    return cellray.rerun(ref, functions or None, args, kwargs=kwargs, dry_run="--dry-run" in words.options)


def _evaluated(shell: Any, words: Words, name: str, kind: Any, wanted: str) -> Any:
    text = words.last(name)
    if text is None:
        return None
    value = shell.ev(text)
    if not isinstance(value, kind):
        raise UsageError(f"{name} wants {wanted}, and got {type(value).__name__}\n{RERUN_USAGE}")
    return value
