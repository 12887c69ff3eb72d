"""Which names a cell's statements read and bind, in the order in which they run.

A name that is read before it is surely bound has to come from the notebook; one that the cell binds first must not,
or a second run of a cell would wait for what its first run made. So this is a small definite-assignment analysis:
Python's own `symtable` resolves scopes inside each statement, and the walk over statements keeps what is bound for
sure (on every path) and what may be bound.
"""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

GENERATOR_SCOPE = "genexpr"
IMPLIED_NAMES = frozenset({"__conditional_annotations__"})
"""What Python 3.14's symbol table mentions although the source does not."""


@dataclass(slots=True)
class Uses:
    """What one statement or expression does with global names; each maps to nothing but keeps its order.

    `reads` happen when the statement runs, `deferred` when a function it defines is called, `soft` ones may turn out
    to be local (class bodies). `binds` are sure, `may_bind` depend on a call or on a comprehension having elements.
    """

    reads: dict[str, None] = field(default_factory=dict)
    deferred: dict[str, None] = field(default_factory=dict)
    soft: dict[str, None] = field(default_factory=dict)
    binds: dict[str, None] = field(default_factory=dict)
    may_bind: dict[str, None] = field(default_factory=dict)


class Flow:
    """The walk over a cell. `needed` and `maybe_needed` map names to the first line that reads them."""

    def __init__(self, module: ast.Module) -> None:
        self.needed: dict[str, int] = {}
        self.maybe_needed: dict[str, int] = {}
        self.possible: dict[str, None] = {}
        self.module_imports: dict[str, str] = {}
        self._deferred: dict[str, int] = {}
        self._otherwise_bound: set[str] = set()
        ended_with = self._walk(module.body, set())
        self._settle_deferred(set() if ended_with is None else ended_with)
        for name in self._otherwise_bound & self.module_imports.keys():
            del self.module_imports[name]

    def _settle_deferred(self, bound: set[str]) -> None:
        """A function's body runs later than its definition: what the cell binds anywhere may serve it."""
        for name, line in self._deferred.items():
            if name in bound or name in self.needed:
                continue
            self._need(name, line)

    def _walk(self, statements: Iterable[ast.stmt], bound: set[str]) -> set[str] | None:
        """Names bound for sure behind `statements`; None when control never gets there."""
        for statement in statements:
            after = self._statement(statement, bound)
            if after is None:
                return None
            bound = after
        return bound

    def _statement(self, node: ast.stmt, bound: set[str]) -> set[str] | None:
        match node:
            case ast.If():
                self._use(node.test, bound)
                return _meet(self._walk(node.body, set(bound)), self._walk(node.orelse, set(bound)))
            case ast.For() | ast.AsyncFor():
                self._use(node.iter, bound)
                inside = set(bound)
                self._target(node.target, inside)
                self._walk(node.body, inside)
                self._walk(node.orelse, set(bound))
                return bound
            case ast.While():
                self._use(node.test, bound)
                self._walk(node.body, set(bound))
                self._walk(node.orelse, set(bound))
                return bound
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._use(item.context_expr, bound)
                    if item.optional_vars is not None:
                        self._target(item.optional_vars, bound)
                return self._walk(node.body, bound)
            case ast.Try() | ast.TryStar():
                return self._try(node, bound)
            case ast.Match():
                return self._match(node, bound)
            case _:
                self._simple(node, bound)
                return None if isinstance(node, ast.Raise | ast.Break | ast.Continue) else bound

    def _try(self, node: ast.Try | ast.TryStar, bound: set[str]) -> set[str] | None:
        paths = [self._walk([*node.body, *node.orelse], set(bound))]
        for handler in node.handlers:
            if handler.type is not None:
                self._use(handler.type, bound)
            inside = set(bound)
            if handler.name:
                # Python deletes this name when the handler ends: it is never a result of the cell.
                inside.add(handler.name)
            after = self._walk(handler.body, inside)
            paths.append(None if after is None else after - {handler.name or ""})
        finally_bound = self._walk(node.finalbody, set(bound))
        if finally_bound is None:
            return None
        met = _meet(*paths)
        return None if met is None else met | finally_bound

    def _match(self, node: ast.Match, bound: set[str]) -> set[str]:
        self._use(node.subject, bound)
        for case in node.cases:
            inside = set(bound)
            for part in ast.walk(case.pattern):
                match part:
                    case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                        self._bind(name, inside)
                    case ast.MatchMapping():
                        for key in part.keys:
                            self._use(key, bound)
                        if part.rest is not None:
                            self._bind(part.rest, inside)
                    case ast.MatchValue(value=value) | ast.MatchClass(cls=value):
                        self._use(value, bound)
            if case.guard is not None:
                self._use(case.guard, inside)
            self._walk(case.body, inside)
        return bound

    def _simple(self, node: ast.stmt, bound: set[str]) -> None:
        if isinstance(node, ast.Delete):
            self._delete(node, bound)
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(alias)
                bound.add(alias.asname or alias.name.partition(".")[0])
            return
        if isinstance(node, ast.AnnAssign) and node.value is None:
            self._use(node.annotation, bound)
            return
        self._use(node, bound)

    def _import(self, alias: ast.alias) -> None:
        name = alias.asname or alias.name.partition(".")[0]
        path = alias.name if alias.asname else name
        self.possible[name] = None
        if self.module_imports.setdefault(name, path) != path:
            self._otherwise_bound.add(name)

    def _delete(self, node: ast.Delete, bound: set[str]) -> None:
        for target in node.targets:
            for name in _names(target, ast.Load):
                self._read(name.id, name.lineno, bound)
            for name in _names(target, ast.Del):
                self._read(name.id, name.lineno, bound)
                bound.discard(name.id)
                self.possible.pop(name.id, None)

    def _target(self, node: ast.expr, bound: set[str]) -> None:
        for name in _names(node, ast.Load):
            self._read(name.id, name.lineno, bound)
        for name in _names(node, ast.Store):
            self._bind(name.id, bound)

    def _use(self, node: ast.stmt | ast.expr, bound: set[str]) -> None:
        uses = uses_of(node)
        lines = _first_lines(node)
        for name in uses.reads:
            self._read(name, lines.get(name, node.lineno), bound)
        for name in uses.soft:
            if name not in bound and name not in self.needed:
                self.maybe_needed.setdefault(name, lines.get(name, node.lineno))
        for name in uses.deferred:
            self._deferred.setdefault(name, lines.get(name, node.lineno))
        for name in uses.may_bind:
            self.possible[name] = None
            self._otherwise_bound.add(name)
        for name in uses.binds:
            self._bind(name, bound)

    def _bind(self, name: str, bound: set[str]) -> None:
        bound.add(name)
        self.possible[name] = None
        self._otherwise_bound.add(name)

    def _read(self, name: str, line: int, bound: set[str]) -> None:
        if name not in bound:
            self._need(name, line)

    def _need(self, name: str, line: int) -> None:
        if name in self.possible:
            self.maybe_needed.setdefault(name, line)
        else:
            self.needed.setdefault(name, line)


def uses_of(node: ast.stmt | ast.expr) -> Uses:
    """What one statement without statements of its own at module level, or one expression, does with global names."""
    uses = Uses()
    try:
        table = symtable.symtable(ast.unparse(_AsGenerators().visit(copy.deepcopy(node))), "<cell>", "exec")
    except (ValueError, SyntaxError):
        # Before Python 3.12 some f-strings cannot be written back as text. Then every name counts, local ones too,
        # and only as a wish: nothing is refused because of it.
        uses.soft = {name.id: None for name in _names(node, ast.Load)}
        uses.binds = {name.id: None for name in _names(node, ast.Store)}
        return uses
    for symbol in table.get_symbols():
        if symbol.is_referenced() and symbol.get_name() not in IMPLIED_NAMES:
            uses.reads[symbol.get_name()] = None
        if symbol.is_assigned() or symbol.is_imported():
            uses.binds[symbol.get_name()] = None
    for name in _walrus_names(node):
        # `(y := f()) + y` reads what it binds, `y + (y := 1)` does not: leave it open.
        if uses.reads.pop(name, 0) is None:
            uses.soft[name] = None
    augmented = _augmented_names(node)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        uses.reads[node.target.id] = None
    for child in table.get_children():
        _uses_of_scope(child, uses, augmented, is_deferred=False)
    return uses


def _uses_of_scope(table: symtable.SymbolTable, uses: Uses, augmented: set[str], *, is_deferred: bool) -> None:
    is_class = table.get_type() == "class"
    is_deferred = is_deferred or not (is_class or table.get_name() == GENERATOR_SCOPE)
    reads = uses.deferred if is_deferred else uses.reads
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if symbol.is_global():
            if symbol.is_referenced() or (symbol.is_assigned() and name in augmented):
                reads[name] = None
            if symbol.is_assigned() or symbol.is_imported():
                uses.may_bind[name] = None
        elif is_class and symbol.is_assigned() and (symbol.is_referenced() or name in augmented):
            # `class A: x = x` reads the global first; a plain `y = 1; z = y` does not. The table cannot tell.
            uses.soft[name] = None
    for child in table.get_children():
        _uses_of_scope(child, uses, augmented, is_deferred=is_deferred)


class _AsGenerators(ast.NodeTransformer):
    """Comprehensions as generator expressions: these keep a scope of their own in the symbol table, whereas Python
    3.12 and later merge a comprehension's variables into the scope around it (PEP 709)."""

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    visit_SetComp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.generic_visit(ast.GeneratorExp(pair, node.generators))


def _augmented_names(node: ast.AST) -> set[str]:
    targets = (part.target for part in ast.walk(node) if isinstance(part, ast.AugAssign))
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _walrus_names(node: ast.AST) -> set[str]:
    return {part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr)}


def _names(node: ast.AST, context: type[ast.expr_context]) -> Iterator[ast.Name]:
    return (part for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, context))


def _first_lines(node: ast.AST) -> dict[str, int]:
    lines: dict[str, int] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            lines[part.id] = min(part.lineno, lines.get(part.id, part.lineno))
    return lines


def _meet(*paths: set[str] | None) -> set[str] | None:
    """What is bound on every path that gets there."""
    reached = [path for path in paths if path is not None]
    return set.intersection(*reached) if reached else None
