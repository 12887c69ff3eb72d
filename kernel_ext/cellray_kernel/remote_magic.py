"""What `%%remote` does: analyse, capture, submit, bind the names, and wait if asked to."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cellray.exceptions import SerializationError

from cellray_kernel.capture import CellAnalysis, analyse
from cellray_kernel.cell_output import ValueDisplay
from cellray_kernel.cell_run import CellRun
from cellray_kernel.displays import Displays
from cellray_kernel.errors_shown import (
    CellInterrupted,
    CellSyntaxError,
    CellTasksCancelled,
    ErrorDisplay,
    failure_notes,
)
from cellray_kernel.human import abbreviate, plural
from cellray_kernel.lazy_modules import bind_module
from cellray_kernel.namespace import Captured, capture
from cellray_kernel.options import RemoteOptions, parse_options
from cellray_kernel.pickling import name_culprit
from cellray_kernel.provenance import RunningCell
from cellray_kernel.remote_cell import CellCode
from cellray_kernel.session import CellSession
from cellray_kernel.value_shown import Gathered, format_value

CANCEL_GRACE_S = 1.0
"""After an interrupt, how long the cell waits to show that its tasks have ended."""

Elements = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the code of a remote cell stands in what the user sees."""

    text: str
    first_line: int


class RemoteMagic:
    """One for each shell."""

    def __init__(self, shell: Any, session: CellSession, displays: Displays, errors: ErrorDisplay) -> None:
        self._shell = shell
        self._session = session
        self._displays = displays
        self._errors = errors

    def __call__(self, line: str, source: str) -> None:
        """Run a cell. Raises before anything is submitted when the cell or its options are wrong."""
        options = parse_options(line)
        cell = self._displays.tracker.current
        place = locate(cell.raw, line, source)
        analysis = self._analyse(source, cell, place)
        elements = [()] if options.loop is None else options.loop.elements(self._shell.user_ns)
        captured = self._capture(analysis, options, cell, place)
        self._session.ensure()
        note = self._displays.runs.supersede(cell.cell_id, list(captured.refs.values()), cell.label)
        code, modules = self._code(analysis, options, captured, cell, place)
        linecache.cache[cell.filename] = (len(place.text), None, place.text.splitlines(keepends=True), cell.filename)
        run = CellRun(self._session, options.name or cell.label, expected=len(elements), fail_fast=options.fail_fast)
        run.note = note
        output = self._displays.begin(cell, run)
        if not options.waits:
            output.render_failure = self._errors.render_failures
        try:
            returned = self._submit(run, code, captured, elements, options, cell)
            self._bind(code, modules, returned, options)
            fetch = self._show_value(run, code, returned, options, cell)
            if options.waits:
                run.wait()
                self._raise_failure(run)
                if options.into is not None:
                    self._shell.user_ns[options.into] = fetch()
        except KeyboardInterrupt:
            number = run.cancel("interrupted")
            run.complete()
            # Not longer: a task that does not listen must not keep the user waiting.
            run.wait(CANCEL_GRACE_S)
            raise CellInterrupted(f"{run.label} interrupted: {plural(number, 'task')} cancelled.") from None
        finally:
            run.complete()
            self._displays.flush()

    def _analyse(self, source: str, cell: RunningCell, place: Place) -> CellAnalysis:
        try:
            return analyse(source, cell.filename, place.first_line)
        except SyntaxError as error:
            # Shown by IPython's own formatter, without what the analysis tried before and without this magic's frames.
            error.__context__ = None
            lines = self._shell.SyntaxTB.structured_traceback(type(error), error, [])
            raise CellSyntaxError(error.msg, self._shell.SyntaxTB.stb2text(lines)) from None

    def _capture(self, analysis: CellAnalysis, options: RemoteOptions, cell: RunningCell, place: Place) -> Captured:
        previous = self._displays.runs.previous(cell.cell_id)
        return capture(
            analysis,
            self._shell.user_ns,
            is_ref=self._session.is_ref,
            is_superseded=lambda value: previous is not None and self._session.is_ref(value) and previous.owns(value),
            given=options.loop.names if options.loop else (),
            hidden=self._shell.user_ns_hidden,
            label=cell.filename,
            first_line=place.first_line,
        )

    def _code(
        self, analysis: CellAnalysis, options: RemoteOptions, captured: Captured, cell: RunningCell, place: Place
    ) -> tuple[CellCode, dict[str, Any]]:
        """The cell as it travels, and the modules that the notebook gets at once."""
        modules = {
            name: module
            for name, path in analysis.module_imports.items()
            if name in analysis.assigned and (module := bind_module(path)) is not None
        }
        given = options.loop.names if options.loop else ()
        outputs = tuple(name for name in analysis.assigned if name not in modules and name not in given)
        code = CellCode(
            place.text,
            place.first_line,
            cell.filename,
            outputs,
            analysis.has_value,
            captured.values,
            captured.modules,
        )
        return code, modules

    def _submit(
        self,
        run: CellRun,
        code: CellCode,
        captured: Captured,
        elements: Elements,
        options: RemoteOptions,
        cell: RunningCell,
    ) -> list[tuple[Any, ...]]:
        """One task for each element; what they have in common is stored once."""
        names = options.loop.names if options.loop else ()
        returned = []
        try:
            # One element travels with its cell; many share one copy of it.
            package = self._session.put(code) if len(elements) > 1 else code
            for element in elements:
                given = dict(zip(names, element, strict=True))
                refs = {**captured.refs, **{n: v for n, v in given.items() if self._session.is_ref(v)}}
                plain = {name: value for name, value in given.items() if name not in refs}
                task_refs = self._session.submit(
                    package, plain, refs, len(code.outputs) + 1, options.name or cell.label, options
                )
                run.add(task_refs[-1], ", ".join(f"{n}={abbreviate(repr(v))}" for n, v in given.items()))
                returned.append(task_refs)
        except (SerializationError, TypeError, AttributeError) as error:
            run.cancel("not all could be submitted")
            raise name_culprit(captured.values, error) from None
        run.complete()
        return returned

    def _bind(
        self, code: CellCode, modules: dict[str, Any], returned: list[tuple[Any, ...]], options: RemoteOptions
    ) -> None:
        """A future for each name, or with --for a list of futures in the order of the elements."""
        namespace = self._shell.user_ns
        namespace.update(modules)
        for position, name in enumerate(code.outputs):
            refs = [task_refs[position] for task_refs in returned]
            namespace[name] = refs if options.loop is not None else refs[0]
        if options.into is not None:
            last = [task_refs[-1] for task_refs in returned]
            namespace[options.into] = last if options.loop is not None else last[0]

    def _show_value(
        self,
        run: CellRun,
        code: CellCode,
        returned: list[tuple[Any, ...]],
        options: RemoteOptions,
        cell: RunningCell,
    ) -> Callable[[], Any]:
        """Reserve the place of the last expression's value; how to get that value when the run has ended."""
        last = [task_refs[-1] for task_refs in returned]

        def fetch() -> Any:
            values = self._session.get(last)
            return values if options.loop is not None else values[0]

        def shown() -> Any:
            return Gathered(fetch()) if options.loop is not None else fetch()

        if code.has_value and last:
            formatter = self._shell.display_formatter
            display = ValueDisplay(
                self._displays.publisher,
                cell.parent,
                run,
                shown,
                lambda value: format_value(value, formatter),
                reserve=not options.waits,
            )
            self._displays.ticker.add(display)
        return fetch

    def _raise_failure(self, run: CellRun) -> None:
        failure, progress = run.first_failure, run.progress()
        if failure is not None:
            for note in failure_notes(run):
                failure.error.add_note(note)
            raise failure.error
        if progress.cancelled:
            raise CellTasksCancelled(f"{run.label}: {plural(progress.cancelled, 'task')} cancelled. {run.note}".strip())


def locate(raw: str, line: str, source: str) -> Place:
    """Where `source` stands in the cell as the user sees it: tracebacks then show the editor's line numbers."""
    text = raw if raw.endswith("\n") else f"{raw}\n"
    lines = text.splitlines(keepends=True)
    for number, candidate in enumerate(lines, 1):
        if candidate.startswith("%%"):
            if "".join(lines[number:]).rstrip() == source.rstrip():
                return Place(text, number + 1)
            break
    return Place(f"%%remote {line}\n{source}", 2)
