"""Which actors lose no state, by their class and options, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest
from cellray.api.actor import method
from cellray.api.actor_options import check_actor_options, resolve_actor_options
from cellray.api.method_options import check_method_options, method_table, resolve_method_options
from cellray.model.actor import ActorOptions


class Plain:
    def change(self) -> None: ...

    @method(read_only=True)
    def look(self) -> None: ...


class Kept(Plain):
    def __checkpoint__(self) -> None: ...

    def __restore__(self, state: None) -> None: ...


class HalfKept(Plain):
    def __checkpoint__(self) -> None: ...


class OtherHalf(Plain):
    def __restore__(self, state: None) -> None: ...


class KeptAsync(Kept):
    async def wait(self) -> None: ...


def resolved(actor_class: type, options: dict[str, Any]) -> ActorOptions:
    check_actor_options(options)
    actor = resolve_actor_options(options, actor_class, method_table(actor_class), None).actor
    assert actor is not None
    return actor


@pytest.mark.parametrize(
    ("actor_class", "options", "expected"),
    [
        (Plain, {}, (False, -1, False, 0, 0)),
        (Plain, {"recover": False, "max_restarts": 2}, (False, -1, True, 2, 0)),
        (Plain, {"recover": "replay"}, (True, -1, False, -1, 3)),
        (Plain, {"recover": "replay", "max_restarts": 5}, (True, -1, False, 5, 3)),
        (Plain, {"recover": "replay", "max_task_retries": 0}, (True, -1, False, -1, 0)),
        (Kept, {}, (True, 100, False, -1, 3)),
        (Kept, {"recover": "replay"}, (True, 100, False, -1, 3)),
        (Kept, {"checkpoint_every": 7}, (True, 7, False, -1, 3)),
        (Kept, {"checkpoint_every": 0}, (True, 0, False, -1, 3)),
        (Kept, {"max_restarts": 0}, (False, -1, False, 0, 0)),
        (Kept, {"recover": False}, (False, -1, True, 0, 0)),
        (KeptAsync, {"recover": False}, (False, -1, True, 0, 0)),
        (Kept, {"recover": False, "max_concurrency": 2}, (False, -1, True, 0, 0)),
    ],
)
def test_who_recovers(actor_class: type, options: dict[str, Any], expected: tuple[bool, int, bool, int, int]) -> None:
    actor = resolved(actor_class, options)
    found = (actor.recovers, actor.checkpoint_every, actor.forgets, actor.max_restarts, actor.max_task_retries)
    assert found == expected


@pytest.mark.parametrize(
    ("actor_class", "options", "complaint"),
    [
        (HalfKept, {}, "defines __checkpoint__ and no __restore__"),
        (OtherHalf, {}, "defines __restore__ and no __checkpoint__"),
        (Plain, {"checkpoint_every": 5}, r"define __checkpoint__\(self\)"),
        (Plain, {"recover": "replay", "max_restarts": 0}, "contradict each other"),
        (Plain, {"recover": "replay", "max_concurrency": 2}, "several calls at a time"),
        (Plain, {"recover": "replay", "concurrency_groups": {"io": 1}}, "several calls at a time"),
        (KeptAsync, {}, "recover=False"),
        (Plain, {"recover": "always"}, "recover='always'"),
        (Plain, {"recover": True}, "recover=True"),
        (Kept, {"checkpoint_every": -1}, "checkpoint_every=-1"),
        (Kept, {"checkpoint_every": True}, "checkpoint_every=True"),
        (Kept, {"checkpoints_every": 1}, "did you mean 'checkpoint_every'"),
    ],
)
def test_what_does_not_go_together_is_said_at_once(actor_class: type, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        resolved(actor_class, options)


@pytest.mark.parametrize(
    ("options", "recorded"),
    [
        ({"recover": "replay"}, {"change": True, "look": False, "__ray_call__": True, "__ray_ready__": False}),
        ({}, {"change": False, "look": False, "__ray_call__": False, "__cellray_checkpoint__": False}),
    ],
)
def test_calls_that_may_change_the_state_are_recorded(options: dict[str, Any], recorded: dict[str, bool]) -> None:
    actor = resolved(Plain, options)
    assert {name: resolve_method_options(actor, name, {}, None).recorded for name in recorded} == recorded


def test_whether_a_method_is_read_only_is_for_its_class_to_say() -> None:
    with pytest.raises(ValueError, match="in the class"):
        check_method_options({"read_only": True})
    with pytest.raises(TypeError, match="read_only=1"):
        method(read_only=1)
