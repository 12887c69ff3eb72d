"""Two runs laid side by side: the first task that differs, what followed from it, and what did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from cellray.ids import (
    ClientId,
    FunctionHash,
    JobId,
    ObjectId,
    TaskId,
    child_task_id,
    children_prefix,
    put_object_id,
    return_object_id,
    root_task_id,
)
from cellray.model import fact as told
from cellray.model.actor import ActorOptions
from cellray.model.fact import LoggedFact
from cellray.model.history import Told
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Function, TaskSpec, TaskTemplate, make_template
from cellray.observe.diff.answer import Diff
from cellray.observe.diff.compare import compare
from cellray.observe.diff.run import Run
from cellray.serialization import serialize


def inline(value: object, contained: tuple[ObjectId, ...] = ()) -> ObjectValue:
    return ObjectValue(ValueKind.INLINE, serialize(value).to_bytes(), contained=contained)


class Program:
    """A session of its own, which writes its facts; a job's root differs from that of every other session."""

    def __init__(self, session: str) -> None:
        self.facts: list[LoggedFact] = []
        self.now = 1000.0
        self.root = root_task_id(JobId(session.encode()))
        self._next: dict[TaskId, int] = {}
        self.facts.append(told.JobStarted(ClientId(1), JobId(session.encode()), self.root, self.now, 1, "run.py"))

    def function(self, name: str, source: str = "def f(): ...", *, captured: str = "") -> TaskTemplate:
        hashed = FunctionHash((name + source + captured).encode())
        self.facts.append(told.FunctionRegistered(Function(hashed, name, "m", source, b"p"), self.now))
        return self.register(make_template(hashed, name, ()))

    def register(self, template: TaskTemplate) -> TaskTemplate:
        self.facts.append(told.TemplateRegistered(template, self.now))
        return template

    def call(
        self,
        template: TaskTemplate,
        args: bytes = b"",
        *sources: ObjectId,
        parent: TaskId | None = None,
        contained: tuple[ObjectId, ...] = (),
    ) -> TaskId:
        parent = parent or self.root
        index = self._next[parent] = self._next.get(parent, -1) + 1
        self.now += 1
        spec = TaskSpec(index, template.template_id, args, sources, contained)
        self.facts.append(told.TasksSubmitted(parent, self.now, [spec]))
        return child_task_id(children_prefix(parent), index)

    def put(self, value: ObjectValue, number: int = 0) -> ObjectId:
        obj = put_object_id(self.root, number)
        self.facts.append(told.ObjectSealed(obj, self.now, value))
        return obj

    def send(self, *task_ids: TaskId) -> None:
        self.facts.append(told.TasksDispatched(ClientId(2), self.now, list(task_ids)))

    def finish(self, task_id: TaskId, *values: ObjectValue, seconds: float = 0.5) -> ObjectId:
        self.now += 1
        self.facts.append(told.TaskFinished(task_id, self.now - seconds, self.now, values or (inline(1),)))
        return return_object_id(task_id, 0)

    def fail(self, task_id: TaskId, summary: str) -> None:
        self.now += 1
        error = ObjectValue(ValueKind.ERROR, b"")
        self.facts.append(told.TaskFailed(task_id, self.now - 0.5, self.now, error, summary))

    def run(self) -> Run:
        return Run(Told(number, "n", 1, 0.0, fact) for number, fact in enumerate(self.facts, 1))


def same(
    program: Program, value: int = 1, source: str = "def load(): ...", args: bytes = b"x", captured: str = ""
) -> None:
    """Two loads, a train on the first with a child, and a score on what train gave."""
    load = program.function("load", source, captured=captured)
    train, score = program.function("train"), program.function("score")
    first, other = program.call(load, args), program.call(load, b"other")
    trained = program.call(train, b"", program.finish(first, inline(value)))
    child = program.call(load, b"child", parent=trained)
    program.finish(child, inline(value * 10))
    scored = program.call(score, b"", program.finish(trained, inline(value * 100)))
    program.finish(scored, inline("done"))
    program.finish(other)


def diff(before: Callable[[Program], object], after: Callable[[Program], object]) -> Diff:
    programs = Program("session a"), Program("session b")
    before(programs[0])
    after(programs[1])
    return compare(programs[0].run(), programs[1].run())


def names(divergences: Sequence[object]) -> list[str]:
    return [f"{each.name} {'.'.join(map(str, each.path))}" for each in divergences]  # type: ignore[attr-defined]


def test_two_runs_of_one_program_are_the_same_though_no_id_is() -> None:
    found = diff(same, same)
    assert not found
    assert found.same == 5
    assert "The same: 5 tasks agree" in str(found)


def test_another_output_is_where_it_begins_and_the_rest_is_downstream() -> None:
    found = diff(same, lambda program: same(program, value=2))
    assert found.first is not None
    assert names([found.first]) == ["load 0.0"]
    assert found.first.aspects == ["output"]
    assert found.first.text == "its result differs: 1 != 2"
    assert names(found.downstream) == ["load 0.2.0", "train 0.2"]
    assert found.others == []
    assert found.same == 2


def test_an_edited_function_is_told_by_its_line() -> None:
    found = diff(same, lambda program: same(program, source="def load(): return 2"))
    assert found.first is not None
    assert (found.first.name, found.first.aspects) == ("load", ["code"])
    assert "`def load(): ...` became `def load(): return 2`" in found.first.text


def test_the_same_text_with_another_hash_matters_only_when_something_comes_of_it() -> None:
    assert not diff(same, lambda program: same(program, captured="noise"))
    found = diff(same, lambda program: same(program, value=3, captured="a global"))
    assert found.first is not None
    assert found.first.aspects == ["code", "output"]
    assert "captures other values" in found.first.text


def test_other_arguments_show_when_the_task_is_submitted() -> None:
    found = diff(same, lambda program: same(program, args=b"y"))
    assert found.first is not None
    assert (names([found.first]), found.first.aspects) == (["load 0.0"], ["input"])
    assert found.downstream == []


def test_what_a_child_made_is_the_cause_of_what_its_parent_made() -> None:
    def program(child_value: int, program: Program) -> None:
        parent = program.call(program.function("parent"))
        child = program.call(program.function("child"), parent=parent)
        program.finish(child, inline(child_value))
        program.finish(parent, inline(child_value))

    found = diff(lambda each: program(1, each), lambda each: program(2, each))
    assert found.first is not None
    assert names([found.first, *found.downstream]) == ["child 0.0.0", "parent 0.0"]


def test_what_was_put_is_part_of_the_arguments() -> None:
    def program(value: int, program: Program) -> None:
        stored = program.put(inline(value))
        program.finish(program.call(program.function("f"), b"", stored))

    found = diff(lambda each: program(1, each), lambda each: program(2, each))
    assert found.first is not None
    assert found.first.text == "its argument 1, stored with put, has another value"
    assert not diff(lambda each: program(1, each), lambda each: program(1, each))


def test_ids_inside_of_arguments_and_values_are_no_difference() -> None:
    def program(program: Program) -> None:
        stored = program.put(inline(1))
        task_id = program.call(program.function("f"), b"has " + stored, contained=(stored,))
        program.finish(task_id, ObjectValue(ValueKind.INLINE, b"gave " + stored, contained=(stored,)))

    assert not diff(program, program)


def test_tasks_that_only_one_run_has() -> None:
    def more(program: Program) -> None:
        same(program)
        program.finish(program.call(program.function("extra")))

    found = diff(same, more)
    assert found.first is not None
    assert (found.first.aspects, found.first.task_a, found.first.text) == (
        ["extra"],
        None,
        "only the second run has it",
    )
    found = diff(more, same)
    assert found.first is not None
    assert (found.first.aspects, found.first.task_b) == (["missing"], None)


def test_an_ending_and_its_reason_are_compared() -> None:
    def program(program: Program, error: str) -> None:
        task_id = program.call(program.function("f"))
        if error:
            program.fail(task_id, error)
        else:
            program.finish(task_id)

    found = diff(lambda each: program(each, ""), lambda each: program(each, "ValueError: no"))
    assert found.first is not None
    assert found.first.text == "it finished and then failed (ValueError: no)"
    found = diff(lambda each: program(each, "ValueError: yes"), lambda each: program(each, "ValueError: no"))
    assert found.first is not None
    assert not diff(lambda each: program(each, "KeyError: 1"), lambda each: program(each, "KeyError: 1"))


def test_a_call_comes_after_the_call_before_it() -> None:
    def program(program: Program, value: int) -> None:
        hashed = FunctionHash(b"counter")
        program.facts.append(told.FunctionRegistered(Function(hashed, "Counter", "m", "class", b"p"), program.now))
        create = program.register(make_template(hashed, "Counter", (), actor=ActorOptions("Counter")))
        add = program.register(make_template(hashed, "Counter.add", (), method="add"))
        actor = program.call(create)
        program.send(actor)
        handle = program.finish(actor)
        calls = [program.call(add, b"1", contained=(handle,)) for _ in range(3)]
        program.send(*calls)
        for step, call in enumerate(calls):
            program.finish(call, inline(value + step if step else 0))
        program.finish(program.call(program.function("apart")), inline(value))

    found = diff(lambda each: program(each, 1), lambda each: program(each, 2))
    assert found.first is not None
    assert names([found.first, *found.downstream]) == ["Counter.add 0.2", "Counter.add 0.3"]
    assert names(found.others) == ["apart 0.4"]


def test_large_values_are_compared_by_digest_or_size() -> None:
    def program(program: Program, digest: int, size: int = 1000) -> None:
        value = ObjectValue(ValueKind.SHARED, object_bytes=size, digest=digest)
        program.finish(program.call(program.function("f")), value)

    assert not diff(lambda each: program(each, 7), lambda each: program(each, 7))
    assert diff(lambda each: program(each, 7), lambda each: program(each, 8))
    found = diff(lambda each: program(each, 0), lambda each: program(each, 0, 2000))
    assert found.first is not None
    assert "1,000 bytes and then 2,000" in found.first.text


def test_durations_are_compared_by_function() -> None:
    def program(program: Program, seconds: float) -> None:
        for _ in range(4):
            program.finish(program.call(program.function("f")), seconds=seconds)
        program.finish(program.call(program.function("g")), seconds=0.1)

    found = diff(lambda each: program(each, 0.5), lambda each: program(each, 1.0))
    assert not found
    f, g = found.functions
    assert (f.function, f.tasks_a, f.ratio) == ("f", 4, pytest.approx(2.0))
    assert g.ratio == pytest.approx(1.0)
    assert "f: 4 x 500 ms, then 4 x 1 s (2 times)" in str(found)


def test_it_is_text_html_and_data() -> None:
    found = diff(same, lambda program: same(program, value=2))
    text = str(found)
    assert "3 of 5 tasks differ, first load." in text
    assert "first: load (task 0 of driver 1): its result differs: 1 != 2" in text
    assert "downstream of it: 2" in text
    html = found._repr_html_()
    assert "Downstream of it: 2 tasks" in html
    assert "<script" not in html
    assert found.to_dict()["same"] == 2
