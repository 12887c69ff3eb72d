"""Where ready calls of actors go: not to any worker, but to the lane of their caller at their actor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from cellray.core.ready_queue import ReadyQueue
from cellray.core.transitions import FINISHED, READY, WAITING

if TYPE_CHECKING:
    from cellray.core.actor_record import Actor
    from cellray.core.objects import ObjectEntry
    from cellray.core.tasks import Task
    from cellray.ids import ClientId, ObjectId


class Lane(NamedTuple):
    """The calls of one caller at one actor that were not sent yet, and what all of them have that carry nothing else.

    `contained` and `pinned` are the actor's object, as specs and tasks have it.
    """

    actor: Actor
    object: ObjectEntry
    contained: tuple[ObjectId, ...]
    pinned: tuple[ObjectEntry, ...]
    calls: deque[Task]


class CallQueue(ReadyQueue):
    """Stands in for the ready queue of all method templates. `changed` are actors whose lanes may move on."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        super().__init__(())
        self.changed: dict[Actor, None] = {}

    def lane(self, actor: Actor, caller: ClientId, entry: ObjectEntry) -> Lane:
        """For calls that are ready: who puts one in counts it in `count`. `entry` is the actor's object."""
        self.changed[actor] = None
        calls = actor.lanes.get(caller)
        if calls is None:
            calls = actor.lanes[caller] = deque()
        return Lane(actor, entry, (entry.object_id,), (entry,), calls)

    def enroll(self, task: Task, actor: Actor) -> None:
        """A call was submitted: its place is behind the calls of the same client."""
        task.actor = actor
        try:
            actor.lanes[task.owner_id].append(task)
        except KeyError:
            actor.lanes[task.owner_id] = deque((task,))

    def push(self, task: Task) -> None:
        """A call is ready; one that was sent before takes its place again."""
        self.count += 1
        actor = task.actor
        assert actor is not None, "`enroll` comes first"
        if task.attempt:
            lane = actor.lanes.setdefault(task.owner_id, deque())
            if task not in lane:  # else its arguments were read back
                lane.appendleft(task)
        self.changed[actor] = None

    def push_front(self, task: Task) -> None:
        """A call came back unbegun."""
        self.count += 1
        actor = task.actor
        assert actor is not None, "`enroll` comes first"
        actor.lanes.setdefault(task.owner_id, deque()).appendleft(task)
        self.changed[actor] = None

    def take_back(self, task: Task) -> None:
        """A ready call was sent by its caller itself."""
        self.count -= 1
        actor = task.actor
        assert actor is not None, "`enroll` comes first"
        lane = actor.lanes[task.owner_id]
        lane.remove(task)
        if not lane:
            del actor.lanes[task.owner_id]

    def withdraw(self) -> None:
        """A ready call was cancelled."""
        self.count -= 1

    def take_all(self, actor: Actor, may_go: Callable[[Task], bool]) -> list[Task]:
        """Every call that may be sent: in each lane up to the first that waits for an argument, or must now."""
        callers = list(actor.lanes)
        if len(callers) == 1:
            return self.take_lane(actor, callers[0], may_go)
        taken = [task for caller in callers for task in self.take_lane(actor, caller, may_go)]
        taken.sort(key=lambda task: task.order)  # the one that called first
        return taken

    def take_lane(self, actor: Actor, caller: ClientId, may_go: Callable[[Task], bool], limit: int = -1) -> list[Task]:
        """Those calls of one lane that may be sent, up to a limit if there is one."""
        taken: list[Task] = []
        lane = actor.lanes.get(caller)
        if lane is None:
            return taken
        if limit < 0:
            for task in lane:  # mostly that is all there is
                if task.state != READY or task.spec.dependencies:
                    break
                taken.append(task)
            self.count -= len(taken)
            if len(taken) == len(lane):
                actor.lanes.pop(caller, None)
                return taken
            for _ in taken:
                lane.popleft()
        while lane and lane[0].state != WAITING and len(taken) != limit:
            task = lane[0]
            if task.state == READY:
                self.count -= 1
                if not task.spec.dependencies or may_go(task):
                    taken.append(task)
                elif task.state == WAITING:
                    break
            lane.popleft()
        if not lane:
            actor.lanes.pop(caller, None)
        return taken

    def abandon(self, actor: Actor) -> list[Task]:
        """All calls that were not sent, by caller; the caller of this fails them."""
        left = [task for lane in actor.lanes.values() for task in lane if task.state < FINISHED]
        actor.lanes.clear()
        return left
