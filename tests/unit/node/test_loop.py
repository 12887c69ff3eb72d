"""The node's loop: what it does when its core makes a mistake."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from cellray.clock import SystemClock
from cellray.config import Config
from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import ClientId, NodeId, ObjectId, SessionId
from cellray.model import fact as f
from cellray.node.loop import NodeLoop
from cellray.node.settings import NodeSettings, SessionFolder

UNKNOWN = f.ObjectSpilled(ObjectId(b"?" * 20), 99, 100, 0.0)
"""Nobody has ordered this, which is not to be: the core does not find it."""


class Sent:
    """What was logged, in place of the log's buffer."""

    def __init__(self) -> None:
        self.sources: list[ClientId] = []

    def add(self, source: ClientId, *_: Any) -> None:
        self.sources.append(source)


def new_loop(folder: str, ends: list[str]) -> NodeLoop:
    """A node without anything around it."""
    settings = NodeSettings(SessionId("s"), NodeId("n"), 0.0, 1, (), 0, 0, Config())
    core = NodeScheduler(NodeId("n"), (), 0, Config())
    around: Any = SimpleNamespace(pids=(), put_functions=None, find=None, report=None)
    log: Any = Sent()
    session = SessionFolder(folder)
    return NodeLoop(settings, session, core, around, log, around, around, around, "", ends.append, SystemClock())


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
