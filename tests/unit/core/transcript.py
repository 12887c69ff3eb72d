"""Transcripts: what a core is told and what it answers, as text that people read and review.

A line that begins with `>` is told; the indented lines after it are what the core answered, written by the test when
it runs with UPDATE_TRANSCRIPTS=1. Tasks and clients have names; `a.0` is the first return of task `a`, `d.p0` what
`d` stores with its first `put`. The words are explained by `Interpreter`, one method for each.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from cellray.config import Config
from cellray.core.invariants import check
from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import (
    ActorId,
    ClientId,
    FunctionHash,
    JobId,
    NodeId,
    ObjectId,
    TaskId,
    child_task_id,
    children_prefix,
    put_object_id,
    return_object_id,
    root_task_id,
    short_task_id,
)
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.actor import ActorOptions
from cellray.model.history import HistoryFound
from cellray.model.object import Failure, ObjectValue, ValueKind, decode_failure, encode_failure
from cellray.model.task import Function, StreamOptions, TaskSpec, TaskTemplate, make_resources, make_template

from tests.helpers.past import Past
from tests.unit.core.transcript_placement import PlacementWords, shown_devices
from tests.unit.core.transcript_recovery import RecoveryWords, shown_fact, shown_run

TASK = re.compile(r"(?P<name>\w+):(?P<template>\w+)(\((?P<deps>[^)]*)\))?(\{(?P<contained>[^}]*)\})?$")


def replay(text: str) -> str:
    """The transcript with the core's answers as they are now."""
    interpreter = Interpreter()
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(">"):
            lines.append(line)
            lines += [f"    {answer}" for answer in interpreter.tell(line[1:].strip())]
        elif not line.startswith("    "):
            lines.append(line)
    return "\n".join(lines) + "\n"


class Interpreter(PlacementWords, RecoveryWords):
    """Runs told lines. `> at 1.5` sets the time; all others are facts."""

    def __init__(self) -> None:
        self.at = 0.0
        self.core = NodeScheduler(NodeId("n"), make_resources({"CPU": 1}), 0, Config())
        self.clients: dict[str, ClientId] = {"shell": ClientId(0)}
        self.roots: dict[str, TaskId] = {}
        self.tasks: dict[str, TaskId] = {}
        self.templates: dict[str, TaskTemplate] = {}
        self.names: dict[bytes, str] = {}
        self.indices: dict[TaskId, int] = {}
        self.past = Past()

    def tell(self, line: str) -> Iterator[str]:
        """Handle one line; the core's answer, rendered."""
        words = shlex.split(line)
        if words[0] == "node":
            self._node(words[1:])
            return
        if words[0] == "at":
            self.at = float(words[1])
            return
        source, facts = self._facts(words)
        self.past.add(facts, source)
        commands = self.core.handle(facts, source, self.at)
        check(self.core)
        for command in commands:
            yield from self._render(command)

    def _node(self, words: list[str]) -> None:
        """`node CPU=2 arena=1000 workers_max=3`: a node; names of settings are those of Config."""
        pairs = dict(word.split("=") for word in words)
        arena = int(pairs.pop("arena", "0"))
        limits = {name: float(pairs.pop(name)) for name in list(pairs) if name in Config.__struct_fields__}
        config = Config(**{k: int(v) if v.is_integer() else v for k, v in limits.items()})  # type: ignore[arg-type]
        amounts = {name: float(amount) for name, amount in pairs.items()}
        self.core = NodeScheduler(NodeId("n"), make_resources(amounts), arena, config)

    def _facts(self, words: list[str]) -> tuple[ClientId, list[f.Fact | HistoryFound]]:
        verb = words[1] if len(words) > 1 else words[0]
        handler = getattr(self, f"_on_{verb.replace('-', '_')}", None)
        if handler is None:
            raise ValueError(f"{' '.join(words)!r} is nothing a transcript can say")
        source, fact = handler(words[0], words[2:])
        facts = fact if isinstance(fact, list) else [fact]
        return source, facts

    def _on_connects(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d connects` a driver, `w1 connects` a worker: drivers' names begin with d, workers' with w."""
        client = self.clients[name] = ClientId(len(self.clients))
        self.names[client.to_bytes(8, "big")] = name
        if name.startswith("w"):
            return ClientId(0), f.WorkerStarted(client, self.at, 100 + client)
        job = JobId(name.encode().ljust(4, b"-"))
        self.roots[name] = root_task_id(job)
        return ClientId(0), f.JobStarted(client, job, self.roots[name], self.at, 1, "test")

    def _on_leaves(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d leaves`, `w1 leaves signal=9 tail=...` (or `code=1`, `intended=1`)."""
        client = self.clients[name]
        options = dict(word.split("=", 1) for word in words)
        if name.startswith("d"):
            return ClientId(0), f.JobEnded(client, JobId(name.encode().ljust(4, b"-")), self.at, "")
        code, signal = int(options.get("code", "0")), int(options.get("signal", "0"))
        intended = "intended" in options
        return ClientId(0), f.WorkerExited(client, self.at, code, signal, options.get("tail", ""), intended)

    def _on_fails_to_start(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`shell fails-to-start`: a worker ended before it connected."""
        return ClientId(0), f.WorkerExited(ClientId(0), self.at, 1, 0, " ".join(words))

    def _on_ticks(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`shell ticks`."""
        return ClientId(0), f.ClockTicked(self.at)

    def _on_disk(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`shell disk writes d.p0 1 300`, `shell disk reads ...` (object, file, bytes), or `fails-to-write ... why`."""
        object_id, spill_id = self._object(words[1]), int(words[2])
        match words[0]:
            case "writes":
                return ClientId(0), f.ObjectSpilled(object_id, spill_id, int(words[3]), self.at)
            case "reads":
                return ClientId(0), f.ObjectRestored(object_id, spill_id, int(words[3]), self.at)
        return ClientId(0), f.SpillFailed(object_id, spill_id, self.at, words[3], words[0] == "fails-to-read")

    def _on_looks_up(self, name: str, words: list[str]) -> tuple[ClientId, HistoryFound]:
        """`shell looks-up`: the event log's answer to the oldest question."""
        return ClientId(0), self.past.answer()

    def _on_loses(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d loses a.0`: a test wants it to be lost."""
        return self.clients[name], f.FaultRequested(0, lose=self._object(words[0]))

    def _on_views(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d views d.p0 ticket=1`: wants to read."""
        ticket = int(words.pop()[7:])
        return self.clients[name], f.ViewsRequested([self._object(word) for word in words], ticket)

    def _on_keeps_views(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 keeps-views d.p0`: reads on after its task."""
        return self.clients[name], f.ViewsHeld([self._object(word) for word in words])

    def _on_ends_views(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d ends-views d.p0`."""
        return self.clients[name], f.ViewsReleased([self._object(word) for word in words])

    def _on_defines(self, name: str, words: list[str]) -> tuple[ClientId, list[f.Fact]]:
        """`d defines f CPU=1 returns=2 retries=0 retry_exceptions=1 max_calls=1`; a generator: `stream=2` (unread)."""
        options = dict(word.split("=") for word in words[1:])
        content = FunctionHash(words[0].encode().ljust(16, b"-"))
        returns, retries = int(options.pop("returns", "1")), int(options.pop("retries", "3"))
        again = bool(options.pop("retry_exceptions", ""))
        max_calls = int(options.pop("max_calls", "0"))
        stream = StreamOptions(int(options.pop("stream"))) if "stream" in options else None
        demand = make_resources({key: float(amount) for key, amount in options.items()})
        template = make_template(
            content,
            words[0],
            demand,
            num_returns=returns,
            max_retries=retries,
            retry_exceptions=again,
            stream=stream,
            max_calls=max_calls,
        )
        self.templates[words[0]] = template
        function = Function(content, words[0], "m", "", b"")
        return self.clients[name], [f.FunctionRegistered(function, self.at), f.TemplateRegistered(template, self.at)]

    def _on_defines_actor(self, name: str, words: list[str]) -> tuple[ClientId, list[f.Fact]]:
        """`d defines-actor C CPU=1 restarts=1 name=x detached=1 calls=2 io=1`: a class; its creations are submitted as
        `a:C`. It runs two calls at a time, and one of its concurrency group `io`."""
        options = dict(word.split("=") for word in words[1:])
        content = FunctionHash(words[0].encode().ljust(16, b"-"))
        actor = ActorOptions(
            words[0],
            name=options.pop("name", ""),
            namespace="ns",
            max_restarts=int(options.pop("restarts", "0")),
            detached=bool(options.pop("detached", "")),
            max_concurrency=int(options.pop("calls", "1")),
            concurrency_groups=(("io", int(options.pop("io"))),) if "io" in options else (),
        )
        demand = make_resources({key: float(amount) for key, amount in options.items()})
        template = make_template(content, f"{words[0]}.__init__", demand, max_retries=0, actor=actor)
        self.templates[words[0]] = template
        function = Function(content, words[0], "m", "", b"")
        return self.clients[name], [f.FunctionRegistered(function, self.at), f.TemplateRegistered(template, self.at)]

    def _on_defines_method(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d defines-method C m retries=1 retry_exceptions=1 group=io`: its calls are submitted as `x:m(b.0){a.0}`,
        `a.0` being the actor."""
        options = dict(word.split("=") for word in words[2:])
        template = make_template(
            self.templates[words[0]].function_hash,
            f"{words[0]}.{words[1]}",
            (),
            max_retries=int(options.get("retries", "0")),
            retry_exceptions="retry_exceptions" in options,
            method=words[1],
            concurrency_group=options.get("group", ""),
        )
        self.templates[words[1]] = template
        return self.clients[name], f.TemplateRegistered(template, self.at)

    def _on_asks(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d asks x`: who has this name; `d asks x for=a`: its next task `a` is to have it (`again`: it has been)."""
        candidate = None
        if words[2:] == ["again"]:
            candidate = ActorId(self.tasks[words[1][4:]])
        elif len(words) > 1:
            parent = self.roots[name]
            task_id = child_task_id(children_prefix(parent), self.indices.get(parent, 0))
            self.tasks[words[1][4:]], self.names[task_id] = task_id, words[1][4:]
            candidate = ActorId(task_id)
        return self.clients[name], f.ActorNameRequested(0, words[0], "ns", candidate)

    def _on_kills(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d kills a`, `d kills a restart`."""
        actor = ActorId(self.tasks[words[0]])
        return self.clients[name], f.ActorKillRequested(actor, self.at, "restart" not in words)

    def _on_exits(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 exits a`: the actor called exit_actor()."""
        return self.clients[name], f.ActorExited(ActorId(self.tasks[words[0]]), self.at)

    def _on_submits(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d submits a:f b:f(a.0){c.0}`: b depends on a's return and carries c's. `w1 submits under=a x:f`."""
        parent = self.roots.get(name)
        if words[0].startswith("under="):
            parent = self.tasks[words.pop(0)[6:]]
        assert parent is not None, "a worker submits under=<task>"
        specs = []
        for word in words:
            match = TASK.match(word)
            assert match, word
            known = self.tasks.get(match["name"])
            index = int.from_bytes(known[12:], "big") if known else self.indices.get(parent, 0)
            self.indices[parent] = max(self.indices.get(parent, 0), index + 1)
            task_id = child_task_id(children_prefix(parent), index)
            self.tasks[match["name"]] = task_id
            self.names[task_id] = match["name"]
            template_id = self.templates[match["template"]].template_id
            dependencies, contained = self._objects(match["deps"]), self._objects(match["contained"])
            specs.append(TaskSpec(index, template_id, b"", dependencies, contained))
        return self.clients[name], f.TasksSubmitted(parent, self.at, specs)

    def _on_finishes(self, name: str, words: list[str]) -> tuple[ClientId, list[f.Fact]]:
        """`w1 finishes a b ms=5 =x shared=0:100 holding=c.0`: each task with these values, after running 5 ms."""
        tasks = [word for word in words if "=" not in word]
        run_s = next((float(word[3:]) / 1000 for word in words if word.startswith("ms=")), 0.001)
        values = tuple(self._values(words))
        began = self.at - run_s
        return self.clients[name], [f.TaskFinished(self.tasks[t], began, self.at, values) for t in tasks]

    def _on_yields(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 yields a 0 =x =y holding=c.0`: items from number 0 on."""
        return self.clients[name], f.ItemsYielded(self.tasks[words[0]], int(words[1]), self.at, self._values(words))

    def _on_takes(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d takes a 2`: has taken two items of it by now."""
        return self.clients[name], f.ItemsTaken(self.tasks[words[0]], int(words[1]))

    def _on_stops_reading(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d stops-reading a 2`, of which it has taken two items."""
        return self.clients[name], f.GeneratorDropped(self.tasks[words[0]], int(words[1]))

    def _on_raises(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 raises a "ValueError: bad"`; with `died` at the end it is an actor's constructor that raises."""
        value = ObjectValue(ValueKind.ERROR, words[1].encode())
        if words[2:] == ["died"]:
            value = encode_failure(Failure("actor_died", f"its constructor raised {words[1]}"))
        return self.clients[name], f.TaskFailed(self.tasks[words[0]], self.at - 0.001, self.at, value, words[1])

    def _on_drops(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 drops a`: interrupted, or never begun."""
        return self.clients[name], f.TaskCancelled(self.tasks[words[0]], self.at)

    def _on_returns(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 returns b c`: not begun."""
        return self.clients[name], f.TasksReturned(self.clients[name], self.at, [self.tasks[word] for word in words])

    def _on_blocks(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 blocks`: waits in get."""
        return self.clients[name], f.WorkerBlocked(self.clients[name], self.at)

    def _on_unblocks(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 unblocks`."""
        return self.clients[name], f.WorkerUnblocked(self.clients[name], self.at)

    def _on_cancels(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d cancels a force recursive`."""
        tasks = [self.tasks[word] for word in words if word not in ("force", "recursive")]
        return self.clients[name], f.CancelRequested(tasks, self.at, "force" in words, "recursive" in words, "asked to")

    def _on_prints(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`w1 prints a text`."""
        return self.clients[name], f.TaskOutput(self.tasks[words[0]], self.at, "stdout", words[1])

    def _on_requests(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d requests a.0`."""
        return self.clients[name], f.ObjectsRequested([self._object(word) for word in words])

    def _on_holds(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d holds a.0`."""
        return self.clients[name], f.ObjectsHeld([self._object(word) for word in words])

    def _on_releases(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d releases a.0`."""
        return self.clients[name], f.ObjectsReleased([self._object(word) for word in words])

    def _on_wants(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d wants d.p0 100`: space."""
        return self.clients[name], f.SpaceRequested(self._object(words[0]), int(words[1]))

    def _on_seals(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d seals d.p0 0:100`, or `d seals d.p0 =x`."""
        (value,) = self._values([word if word[0] == "=" else f"shared={word}" for word in words[1:]])
        return self.clients[name], f.ObjectSealed(self._object(words[0]), self.at, value)

    def _values(self, words: list[str]) -> list[ObjectValue]:
        """`=x shared=0:100 holding=c.0`: small ones, then large ones, all of which contain what they are `holding`."""
        inside = tuple(self._object(word[8:]) for word in words if word.startswith("holding="))
        small = [ObjectValue(ValueKind.INLINE, word[1:].encode(), contained=inside) for word in words if word[0] == "="]
        places = [tuple(map(int, word[7:].split(":"))) for word in words if word.startswith("shared=")]
        return small + [ObjectValue(ValueKind.SHARED, b"", offset, size, inside) for offset, size in places]

    def _objects(self, text: str | None) -> tuple[ObjectId, ...]:
        return tuple(self._object(name) for name in text.split(",")) if text else ()

    def _object(self, name: str) -> ObjectId:
        base, index = name.split(".")
        task_id = self.roots[base] if base in self.roots else self.tasks[base]
        number = int(index.lstrip("p"))
        object_id = put_object_id(task_id, number) if index[0] == "p" else return_object_id(task_id, number)
        self.names[object_id] = name
        return object_id

    def _render(self, command: c.Command) -> Iterator[str]:
        match command:
            case c.AppendFacts(facts):
                self.past.add(facts, ClientId(0))
                for fact in facts:
                    yield f"log {self._fact(fact)}"
            case c.FindHistory(task_ids):
                self.past.questions.append(task_ids)
                yield f"look up {', '.join(map(self._name, task_ids))}"
            case c.Send(client, sent):
                yield f"to {self._client(client)}: {self._sent(sent)}"
            case c.SpillObjects(orders):
                yield "disk: write " + ", ".join(self._order(order) for order in orders)
            case c.RestoreObjects(orders):
                yield "disk: read " + ", ".join(self._order(order) for order in orders)
            case c.DropSpilled(spill_ids):
                yield "disk: remove " + ", ".join(f"file {spill_id}" for spill_id in spill_ids)
            case c.DropCheckpoints(files):
                yield f"disk: remove checkpoint {', '.join(files)}"
            case c.StartWorkers(count):
                yield f"start {count} worker(s)"
            case c.KillWorker(worker, reason):
                yield f"kill {self._client(worker)}: {self._plain(reason)}"

    def _order(self, order: c.Spill) -> str:
        return f"file {order.spill_id} ({self._name(order.object_id)} at {order.offset}, {order.object_bytes} bytes)"

    def _sent(self, sent: c.ClientCommand) -> str:
        match sent:
            case c.TasksAssigned(tasks, templates, functions, devices):
                runs = ", ".join(
                    self._name(task.task_id)
                    + (f"({', '.join(map(self._value, task.values))})" if task.values else "")
                    + (f" attempt {task.attempt}" if task.attempt else "")
                    for task in tasks
                )
                news = [f"template {t.name}" for t in templates] + [f"function {fn.name}" for fn in functions]
                run = f"run {runs}" + shown_run(sent) + (f" with {', '.join(news)}" if news else "")
                return run + "".join(shown_devices(devices))
            case c.NodeStateTold():
                return self._told_state(sent)
            case c.ObjectsReady(objects):
                return "ready " + ", ".join(f"{self._name(oid)} = {self._value(value)}" for oid, value in objects)
            case c.InterruptTask(task_id):
                return f"interrupt {self._name(task_id)}"
            case c.ReturnTasks():
                return "return what you have not begun"
            case c.SpaceGranted(object_id, offset, error):
                return f"write {self._name(object_id)} at {offset}" if not error else f"no space: {error}"
            case c.OutputForwarded(task_id, stream, text):
                return f"{stream} of {self._name(task_id)}: {text!r}"
            case c.FaultDone(_, error):
                return f"not possible: {error}" if error else "done"
            case c.RecallViews():
                return "recall views"
            case c.ViewsGranted(objects, ticket):
                places = ", ".join(f"{self._name(oid)} = {self._value(value)}" for oid, value in objects)
                return f"read {places} (ticket {ticket})"
            case c.ItemsReady(task_id, index, values, has_ended):
                items = " ".join(f"{index + n} = {self._value(value)}," for n, value in enumerate(values))
                for n in range(len(values)):
                    self._object(f"{self._name(task_id)}.{index + n + 1}")
                return f"items of {self._name(task_id)}: {items}".rstrip(",") + (f"no more, {index} in all" * has_ended)
            case c.ItemsRead(task_id, count):
                return f"read of {self._name(task_id)}: {count if count >= 0 else 'nobody reads on'}"
            case c.ReaderLeft(task_id):
                return f"reads {self._name(task_id)} no more"
            case c.Warn(message):
                return f"warning: {self._plain(message)}"
            case c.Exit(reason):
                return f"exit: {self._plain(reason)}"
            case c.ActorNamed(_, object_id, template):
                if object_id is None:
                    return "the name is free"
                return f"the name has {self._name(object_id)} of {template.name if template is not None else '?'}"

    def _fact(self, fact: f.LoggedFact) -> str:
        name = type(fact).__name__
        match fact:
            case f.TasksDispatched(worker, _, tasks):
                return f"{name} {self._client(worker)}: {', '.join(map(self._name, tasks))}"
            case f.TaskFailed(task_id, error=error, summary=summary):
                return f"{name} {self._name(task_id)}: {self._plain(summary)} [{self._value(error)}]"
            case f.TaskRetried(task_id, attempt, _, reason):
                return f"{name} {self._name(task_id)} attempt {attempt}: {reason}"
            case f.TaskCancelled(task_id, _, reason):
                return f"{name} {self._name(task_id)}: {reason}"
            case f.TaskStarted(task_id, worker, at):
                return f"{name} {self._name(task_id)} on {self._client(worker)} at {at:g}"
            case f.ActorStarted(actor, worker, _, restarts):
                return f"{name} {self._name(actor)} on {self._client(worker)}, restarts {restarts}"
            case f.ActorDied(actor, _, reason, will_restart):
                return f"{name} {self._name(actor)}: {self._plain(reason)}" + (" (restarts)" if will_restart else "")
            case f.ObjectsFreed(object_ids):
                return f"{name} {', '.join(map(self._name, object_ids))}"
            case f.TaskFinished(task_id, values=values):
                return f"{name} {self._name(task_id)} = {', '.join(map(self._value, values))}"
            case f.ObjectRestored(object_id):
                return f"{name} {self._name(object_id)}"
            case f.ObjectLost(object_id, _, reason) | f.ReconstructionFailed(object_id, _, reason):
                return f"{name} {self._name(object_id)}: {self._plain(reason)}"
            case f.ObjectReconstructed(object_id, _, object_bytes, from_log):
                return f"{name} {self._name(object_id)} ({object_bytes} bytes{', from the log' * from_log})"
            case f.ResultRecalled(task_id):
                return f"{name} {self._name(task_id)}"
        shown = shown_fact(fact, self._name)
        if shown is None:
            raise ValueError(f"no transcript shows {name} yet")
        return shown

    def _value(self, value: ObjectValue) -> str:
        if value.kind == ValueKind.SHARED:
            return f"shared {value.offset}:{value.object_bytes}"
        if value.kind == ValueKind.FAILURE:
            failure = decode_failure(value.data)
            return f"{failure.kind}: {self._plain(failure.message)}"
        text = repr(value.data.decode())
        return f"raises {text}" if value.kind == ValueKind.ERROR else text

    def _plain(self, text: str) -> str:
        """Ids replaced by names, one line."""
        for raw, name in self.names.items():
            if len(raw) == 16:
                text = re.sub(rf"\b{short_task_id(TaskId(raw))}\b", name, text)
            text = re.sub(rf"\b{raw.hex()}\b", name, text)
        return text.replace("\n", " / ")

    def _name(self, raw: bytes) -> str:
        if raw in self.names:
            return self.names[raw]
        task = self.names.get(raw[:16])
        return f"{task}.{int.from_bytes(raw[16:], 'big')}" if task else raw.hex()

    def _client(self, client: ClientId) -> str:
        return next(name for name, known in self.clients.items() if known == client)
