"""What a remote cell needs from the notebook and gives back to it, read from its source alone.

analysis = analyse("y = [step(x) for x in xs]\\nlen(y)")
analysis.needed -> {"xs": 1, "step": 1};  analysis.assigned -> ("y",);  analysis.has_value -> True
"""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass

from cellray_kernel.flow import Flow

SHELL_CALLS = frozenset({"run_line_magic", "run_cell_magic", "system", "getoutput"})


@dataclass(frozen=True, slots=True)
class CellAnalysis:
    """Names map to the line, from 1 within the source, that reads them first.

    `needed` must come from the notebook. `maybe_needed` are read where the cell may have bound them or not: they come
    along if the notebook has them. `assigned` are the results, in order of appearance, private ones (`_x`) left out.
    `module_imports` are those of them that only ever are a module, with what to import. `has_value` says whether the
    last statement is an expression whose value is shown.
    """

    needed: dict[str, int]
    maybe_needed: dict[str, int]
    assigned: tuple[str, ...]
    module_imports: dict[str, str]
    has_value: bool


class CellRefusedError(SyntaxError):
    """The cell is valid in a notebook and cannot run on a worker. A SyntaxError: IPython then shows its line."""


def analyse(source: str, filename: str = "<cell>", first_line: int = 1) -> CellAnalysis:
    """Analyse a cell's source. Raises SyntaxError, at its line, for what is no Python or cannot run remotely.

    `first_line` is the number of the source's first line in the cell that the user sees: errors carry that number.
    """
    module = parse(source, filename, first_line)
    _refuse(module, source, filename, first_line)
    flow = Flow(module)
    return CellAnalysis(
        needed=flow.needed,
        maybe_needed=flow.maybe_needed,
        assigned=tuple(name for name in flow.possible if not name.startswith("_")),
        module_imports=flow.module_imports,
        has_value=shows_value(module, source),
    )


def parse(source: str, filename: str = "<cell>", first_line: int = 1) -> ast.Module:
    """The cell as a tree with lines from 1. Raises SyntaxError; magics and shell lines are refused by name."""
    try:
        tree = ast.parse(source, filename)
        # Only the compiler sees `return` outside of functions and the like.
        compile(source, filename, "exec", dont_inherit=True, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        _refuse_magics(source, filename, first_line)
        raise _moved(error, source, filename, first_line) from None
    return tree


def shows_value(module: ast.Module, source: str) -> bool:
    """Whether the last statement is an expression that no semicolon silences (IPython's rule)."""
    if not module.body or not isinstance(module.body[-1], ast.Expr):
        return False
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT}
    last = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in blank:
            last = token.string
    return last != ";"


def _refuse_magics(source: str, filename: str, first_line: int) -> None:
    """A clear word about `%magic`, `!shell` and `help?`, which belong to the kernel."""
    from IPython.core.inputtransformer2 import TransformerManager

    blank_lines = _leading_blank_lines(source)
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_shell_call(node):
            # The transformation leaves blank lines at the top out.
            line = node.lineno + blank_lines
            text = (source.splitlines()[line - 1 : line] or [""])[0]
            raise _refusal(
                f"{text.strip()!r} is a command of the notebook and cannot run inside a remote cell; "
                "put it in a cell of its own",
                line,
                source,
                filename,
                first_line,
            )


def _leading_blank_lines(source: str) -> int:
    lines = source.splitlines()
    return next((number for number, line in enumerate(lines) if line.strip()), 0)


def _is_shell_call(node: ast.Call) -> bool:
    match node.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=attribute):
            return attribute in SHELL_CALLS
    return False


def _refuse(module: ast.Module, source: str, filename: str, first_line: int) -> None:
    for node in _at_module_level(module):
        match node:
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                message = "'await' needs an event loop of its own in a remote cell: wrap it in asyncio.run(...)"
            case ast.comprehension(is_async=1, target=node):
                message = "'async for' needs an event loop of its own in a remote cell: wrap it in asyncio.run(...)"
            case ast.ImportFrom(module=name) if any(alias.name == "*" for alias in node.names):
                message = f"'from {name} import *' hides which names the cell gives back: import them by name"
            case _:
                continue
        raise _refusal(message, getattr(node, "lineno", 1), source, filename, first_line)


def _at_module_level(module: ast.Module) -> list[ast.AST]:
    """All nodes that are not inside functions."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _refusal(message: str, line: int, source: str, filename: str, first_line: int) -> CellRefusedError:
    text = (source.splitlines()[line - 1 : line] or [""])[0]
    column = len(text) - len(text.lstrip()) + 1
    return CellRefusedError(message, (filename, line + first_line - 1, column, text + "\n"))


def _moved(error: SyntaxError, source: str, filename: str, first_line: int) -> SyntaxError:
    """The same error at the line that the user sees."""
    line = error.lineno or 1
    text = error.text or (source.splitlines()[line - 1 : line] or [""])[0]
    end = None if error.end_lineno is None else error.end_lineno + first_line - 1
    place = (filename, line + first_line - 1, error.offset, text, end, error.end_offset)
    return type(error)(error.msg, place)
