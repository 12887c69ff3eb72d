"""The node's loop: what it does when its core makes a mistake, and when it tells its core the time."""

from __future__ import annotations

import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest
from cellray.clock import ManualClock, SystemClock
from cellray.config import Config
from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import NODE, ClientId, FunctionHash, JobId, NodeId, ObjectId, SessionId, root_task_id
from cellray.model import fact as f
from cellray.model.task import Function, TaskSpec, make_resources, make_template
from cellray.node.loop import NodeLoop
from cellray.node.settings import NodeSettings, SessionFolder
from cellray.ports import Clock

UNKNOWN = f.ObjectSpilled(ObjectId(b"?" * 20), 99, 100, 0.0)
"""Nobody has ordered this, which is not to be: the core does not find it."""


SYSTEM_CLOCK, CONFIG = SystemClock(), Config()


class Sent:
    """What was logged, in place of the log's buffer."""

    def __init__(self) -> None:
        self.sources: list[ClientId] = []

    def add(self, source: ClientId, *_: Any) -> None:
        self.sources.append(source)


def new_loop(folder: str, ends: list[str], clock: Clock = SYSTEM_CLOCK, config: Config = CONFIG) -> NodeLoop:
    """A node with one CPU and without anything around it."""
    settings = NodeSettings(SessionId("s"), NodeId("n"), 0.0, 1, (), 0, 0, config)
    core = NodeScheduler(NodeId("n"), make_resources({"CPU": 1}), 0, config)
    around: Any = SimpleNamespace(pids=(), put_functions=lambda functions: None, find=None, report=None)
    log: Any = Sent()
    session = SessionFolder(folder)
    return NodeLoop(settings, session, core, around, log, around, around, around, "", ends.append, clock)


def test_a_mistake_about_what_the_node_knows_itself_ends_the_session_with_its_story(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ends: list[str] = []
    loop = new_loop(str(tmp_path), ends)
    with caplog.at_level(logging.ERROR):
        loop.record([UNKNOWN])
    (reason,) = ends
    assert reason.endswith("This is a bug in Cellray, please report it with this text: KeyError: 99")
    assert caplog.records[0].exc_info is not None
    loop.record([UNKNOWN])
    loop.say_goodbye(reason)


def test_a_mistake_about_what_a_client_says_is_its_connections(tmp_path: Any) -> None:
    ends: list[str] = []
    loop = new_loop(str(tmp_path), ends)
    loop.core._by_stranger[f.ObjectSpilled] = loop.core._by_shell[f.ObjectSpilled]
    with pytest.raises(KeyError):
        loop._feed([UNKNOWN], ClientId(7))
    assert not ends


def test_a_tick_that_is_nearly_due_comes_with_a_clients_frame(tmp_path: Any) -> None:
    clock = ManualClock(100.0)

    async def main() -> list[float]:
        loop = new_loop(str(tmp_path), [], clock, Config(tick_ms=1000.0))
        ticks: list[float] = []
        loop.core._by_shell[f.ClockTicked] = lambda fact, _client, _at: ticks.append(fact.at)
        job, template = JobId(b"job1"), make_template(FunctionHash(b"f" * 16), "f", make_resources({"CPU": 1}))
        function = Function(template.function_hash, "f", "", "", b"")
        loop._feed([f.JobStarted(ClientId(7), job, root_task_id(job), 100.0, 1, "test")], NODE)
        loop._feed([f.FunctionRegistered(function, 100.0), f.TemplateRegistered(template, 100.0)], ClientId(7))
        loop._feed([f.TasksSubmitted(root_task_id(job), 100.0, [TaskSpec(0, template.template_id)])], ClientId(7))
        for step_s in (0.5, 0.3, 0.5, 0.3):
            clock.advance(step_s)
            loop._feed([f.ObjectsHeld([])], ClientId(7))
        loop.say_goodbye("the test is over")
        return ticks

    assert asyncio.run(main()) == [pytest.approx(100.8), pytest.approx(101.6)]


def test_the_core_is_told_the_time_when_it_wants_to_look(tmp_path: Any) -> None:
    async def main() -> float:
        loop = new_loop(str(tmp_path), [], SYSTEM_CLOCK, Config(tick_ms=60_000.0))
        ticked = asyncio.Event()
        loop.core._by_shell[f.ClockTicked] = lambda _fact, _client, _at: ticked.set()
        job, template = JobId(b"job1"), make_template(FunctionHash(b"f" * 16), "f", make_resources({"CPU": 1}))
        function = Function(template.function_hash, "f", "", "", b"")
        now = time.time()
        loop._feed([f.JobStarted(ClientId(7), job, root_task_id(job), now, 1, "test")], NODE)
        loop._feed([f.FunctionRegistered(function, now), f.TemplateRegistered(template, now)], ClientId(7))
        loop._feed([f.TasksSubmitted(root_task_id(job), now, [TaskSpec(0, template.template_id)])], ClientId(7))
        loop.core._dispatcher.look_at = now + 0.05
        loop._feed([f.ObjectsHeld([])], ClientId(7))
        await asyncio.wait_for(ticked.wait(), 30)
        loop.say_goodbye("the test is over")
        return time.time() - now

    assert asyncio.run(main()) >= 0.05


@pytest.mark.parametrize("look_in_s", [-0.1, 0.3])
def test_frames_do_not_put_off_a_look_that_is_planned(tmp_path: Any, look_in_s: float) -> None:
    clock = ManualClock(1e9 + 1 / 3)

    async def main() -> list[object]:
        loop = new_loop(str(tmp_path), [], clock, Config(tick_ms=60_000.0))
        job, template = JobId(b"job1"), make_template(FunctionHash(b"f" * 16), "f", make_resources({"CPU": 1}))
        function = Function(template.function_hash, "f", "", "", b"")
        now = clock.now()
        loop._feed([f.JobStarted(ClientId(7), job, root_task_id(job), now, 1, "test")], NODE)
        loop._feed([f.FunctionRegistered(function, now), f.TemplateRegistered(template, now)], ClientId(7))
        loop._feed([f.TasksSubmitted(root_task_id(job), now, [TaskSpec(0, template.template_id)])], ClientId(7))
        loop.core._dispatcher.look_at = now + look_in_s
        planned: list[object] = []
        for _ in range(20):
            loop._feed([f.FunctionRegistered(function, now)], NODE)
            planned.append(loop._tick)
            clock.advance(0.001)
        loop.say_goodbye("the test is over")
        return planned

    assert len(set(map(id, asyncio.run(main())))) == 1
