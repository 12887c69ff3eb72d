"""Virtual clients: drivers and workers as the core sees them, with queues of frames in both directions.

A client knows what it holds, and asks only for what it may; so the world can assert that the core loses nothing that
somebody holds.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING

from cellray.ids import (
    ActorId,
    ClientId,
    ObjectId,
    TaskId,
    child_task_id,
    children_prefix,
    item_object_id,
    put_object_id,
    return_object_id,
)
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.model.task import TaskAssignment, TaskSpec, TaskTemplate

from tests.sim.actors import NOT_CREATED, ActorUser
from tests.sim.groups import Reservations
from tests.sim.memories import NOT_RESTORED, Memory
from tests.sim.programs import Op, program
from tests.sim.streams import NOBODY_READS, Producer, Streams

if TYPE_CHECKING:
    from tests.sim.world import World

SMALL = ObjectValue(ValueKind.INLINE, b"v")
RAISED = ObjectValue(ValueKind.ERROR, b"e")


class VirtualClient:
    """A connection: `outgoing` are frames on their way to the node, `incoming` commands on their way here."""

    def __init__(self, client_id: ClientId, world: World) -> None:
        self.client_id = client_id
        self.world = world
        self.outgoing: deque[list[f.Fact]] = deque()
        self.incoming: deque[c.ClientCommand] = deque()
        self.held: dict[ObjectId, None] = {}
        self.values: dict[ObjectId, ObjectValue] = {}
        self.views: dict[ObjectId, ObjectValue | None] = {}
        self.tickets: dict[ObjectId, int] = {}
        self.last_ticket = 0
        self.streams = Streams(self)

    @property
    def reads_at_once(self) -> bool:
        """Whether items are taken as they come: by tasks, and when all is to come to rest."""
        return isinstance(self, VirtualWorker) or not self.world.wants_more_tasks()

    def tell(self, *facts: f.Fact) -> None:
        """Send facts, now and then in a frame with those before them."""
        if self.outgoing and self.world.random.random() < 0.5:
            self.outgoing[-1].extend(facts)
        else:
            self.outgoing.append(list(facts))

    def submit(self, random: Random, parent: TaskId, first_index: int, count: int, depth: int) -> list[ObjectId]:
        """Submit `count` tasks drawn with `random`; their returns, which this client holds now."""
        prefix = children_prefix(parent)
        known = list(self.held)
        specs: list[TaskSpec] = []
        returns: list[ObjectId] = []
        for index in range(first_index, first_index + count):
            template = self.world.actors.draw(random, known, depth)
            task_id = child_task_id(prefix, index)
            values = [object_id for object_id in known if not self.world.actors.is_actor(object_id)]
            dependencies = (
                tuple(random.choices(values, k=random.randint(1, 3))) if values and random.random() < 0.4 else ()
            )
            contained = (random.choice(known),) if known and random.random() < 0.15 else ()
            if template.method:
                contained = (self.world.actors.one_of(random, known), *contained)
            specs.append(TaskSpec(index, template.template_id, b"", dependencies, contained))
            mine = [return_object_id(task_id, i) for i in range(template.num_returns)]
            returns += mine
            known += mine
            self.world.note_submission(task_id, specs[-1], depth, template, self.client_id)
            if template.stream is not None:
                self.streams.begin(task_id, template)
        for object_id in returns:
            self.held[object_id] = None
            self.values.pop(object_id, None)
        self.tell(f.TasksSubmitted(parent, self.world.at, specs))
        return returns

    def begin_views(self) -> None:
        """Ask to read some shared objects that are held."""
        shared = [object_id for object_id, value in self.values.items() if value.kind == ValueKind.SHARED]
        chosen = self.world.random.sample(shared, min(len(shared), self.world.random.randint(1, 3)))
        wanted = [object_id for object_id in chosen if object_id not in self.views]
        if wanted:
            self.last_ticket += 1
            self.views.update(dict.fromkeys(wanted))
            self.tickets.update(dict.fromkeys(wanted, self.last_ticket))
            self.tell(f.ViewsRequested(wanted, self.last_ticket))

    def receive_views(self, command: c.ViewsGranted) -> None:
        """Objects may be read now, unless this client has let go of them meanwhile."""
        for object_id, value in command.objects:
            if object_id not in self.views or self.tickets.get(object_id) != command.ticket:
                continue
            if value.kind == ValueKind.SHARED:
                self.views[object_id] = value
                continue
            if value.kind != ValueKind.FAILURE:
                self.values[object_id] = value  # it was lost, and what was made again is small
                del self.views[object_id]
                continue
            failure = decode_failure(value.data)
            self.world.refusals[failure.kind] += 1
            assert failure.kind in ("store_full", "reconstruction_failed", "cancelled", "worker_crashed"), failure
            del self.views[object_id]

    def end_views(self, object_ids: list[ObjectId]) -> None:
        """Read no more, or want to no more."""
        for object_id in object_ids:
            self.views.pop(object_id, None)
            self.tickets.pop(object_id, None)
        if object_ids:
            self.tell(f.ViewsReleased(object_ids))

    def check_views(self) -> None:
        """What is read lies where it was said to, whatever happened meanwhile."""
        for object_id, value in self.views.items():
            if value is not None:
                self.world.check_readable(object_id, value)

    def release(self, object_ids: list[ObjectId]) -> None:
        """Drop references."""
        for object_id in object_ids:
            self.held.pop(object_id, None)
            self.values.pop(object_id, None)
        if object_ids:
            self.tell(f.ObjectsReleased(object_ids))

    def receive_values(self, command: c.ObjectsReady) -> None:
        """Take values over; what is inside those that are held is held too, now and then."""
        for object_id, value in command.objects:
            if value.kind == ValueKind.FAILURE and decode_failure(value.data).kind == "object_lost":
                assert object_id not in self.held, f"{object_id.hex()} was lost though {self.client_id} holds it"
            if object_id not in self.held:
                continue
            self.values[object_id] = value
            inside = [other for other in value.contained if other not in self.held]
            if inside and self.world.random.random() < 0.5:
                self.held.update(dict.fromkeys(inside))
                self.tell(f.ObjectsHeld(inside), f.ObjectsRequested(inside))


class VirtualDriver(VirtualClient):
    """A user program that submits, waits, cancels and forgets at random."""

    def __init__(self, client_id: ClientId, root: TaskId, world: World) -> None:
        super().__init__(client_id, world)
        self.root = root
        self.index = 0
        self.put_index = 0
        self.puts: dict[ObjectId, int] = {}
        self.submitted: deque[TaskId] = deque(maxlen=60)
        self.groups = Reservations(self)
        self.actor_user = ActorUser(self)

    def receive(self, command: c.ClientCommand) -> None:
        """Handle one command of the node."""
        if isinstance(command, c.ObjectsReady):
            self.receive_values(command)
        elif isinstance(command, c.ItemsReady):
            self.streams.receive(command)
        elif isinstance(command, c.ReaderLeft):
            self.streams.left(command)
        elif isinstance(command, c.ViewsGranted):
            self.receive_views(command)
        elif isinstance(command, c.SpaceGranted):
            size = self.puts.pop(command.object_id)
            if command.error:
                self.world.refusals["write"] += 1
                return
            if self.world.random.random() < 0.1:
                self.tell(f.SpaceReturned(command.object_id))
                return
            contained = tuple(self.world.random.sample(list(self.held), min(len(self.held), 2)))
            value = ObjectValue(ValueKind.SHARED, b"", command.offset, size, contained)
            self.held[command.object_id] = None
            self.values[command.object_id] = value
            self.world.disk.memory[command.offset] = command.object_id
            self.tell(f.ObjectSealed(command.object_id, self.world.at, value))
        elif isinstance(command, c.ActorNamed):
            self.actor_user.receive(command)

    def take_index(self) -> int:
        """The place of one task among the driver's."""
        self.index += 1
        return self.index - 1

    def submit_one(
        self,
        index: int,
        template: TaskTemplate,
        dependencies: tuple[ObjectId, ...] = (),
        contained: tuple[ObjectId, ...] = (),
    ) -> None:
        """Submit a task that has taken its place before."""
        task_id = child_task_id(children_prefix(self.root), index)
        spec = TaskSpec(index, template.template_id, b"", dependencies, contained)
        self.world.note_submission(task_id, spec, 0, template, self.client_id)
        for place in range(template.num_returns):
            self.held[return_object_id(task_id, place)] = None
        self.tell(f.TasksSubmitted(self.root, self.world.at, [spec]))

    def act(self) -> None:
        """Do one thing that a user program might."""
        random = self.world.random
        self.check_views()
        self.streams.act()
        if random.random() < 0.05 and self.world.wants_more_tasks():
            self.groups.act()
            return
        if random.random() < 0.1 and self.world.wants_more_tasks():
            self.actor_user.burst()
            return
        if random.random() < 0.3:
            if len(self.views) < 3 and random.random() < 0.6:
                self.begin_views()
            else:
                self.end_views(random.sample(list(self.views), min(len(self.views), 3)))
            return
        choice = random.random()
        if choice < 0.35 and self.world.wants_more_tasks():
            count = random.choice((1, 1, 2, 5, 20))
            prefix = children_prefix(self.root)
            self.submitted.extend(child_task_id(prefix, self.index + i) for i in range(count))
            self.submit(random, self.root, self.index, count, 0)
            self.index += count
        elif choice < 0.45:
            object_id = put_object_id(self.root, self.put_index)
            self.put_index += 1
            self.puts[object_id] = random.choice((1_000, 90_000, 300_000, 5_000_000))
            self.tell(f.SpaceRequested(object_id, self.puts[object_id]))
        elif choice < 0.50 and self.submitted:
            some = random.choices(list(self.submitted), k=random.randint(1, 4))
            self.tell(f.CancelRequested(some, self.world.at, random.random() < 0.3, random.random() < 0.6, "user"))
        elif choice < 0.60 and self.held:
            some_held = random.sample(list(self.held), min(3, len(self.held)))
            self.tell(f.ObjectsRequested(some_held))
        elif choice < 0.63 and self.held:
            self.tell(f.FaultRequested(0, lose=random.choice(list(self.held))))
        elif choice < 0.65:
            self.actor_user.act()
        elif len(self.held) > 20 or choice < 0.75:
            self.release(random.sample(list(self.held), min(len(self.held), 15)))


class VirtualWorker(VirtualClient):
    """A worker process: runs the programs of its tasks in order, one step at a time."""

    def __init__(self, client_id: ClientId, world: World) -> None:
        super().__init__(client_id, world)
        self.queue: deque[TaskAssignment] = deque()
        self.ops: deque[Op] | None = None
        self.ops_random = Random(0)
        self.children: list[ObjectId] = []
        self.child_index = 0
        self.put_index = 0
        self.started_at = 0.0
        self.awaits: list[ObjectId] = []
        self.awaits_space: ObjectId | None = None
        self.producer: Producer | None = None
        self.space_bytes = 0
        self.arguments: dict[ObjectId, ObjectValue] = {}
        self.creation: ActorId | None = None
        self.memory = Memory(self)

    @property
    def head_id(self) -> TaskId:
        """The task that runs, or is next."""
        return TaskId(self.queue[0].task_id)

    def receive(self, command: c.ClientCommand) -> None:
        """Handle one command of the node."""
        if isinstance(command, c.TasksAssigned):
            for template in command.templates:
                if template.actor is not None:
                    self.creation = ActorId(TaskId(command.tasks[0].task_id))
            self.world.note_assignment(self, command)
            self.memory.receive(command)
            self.queue.extend(command.tasks)
        elif isinstance(command, c.ObjectsReady):
            self.receive_values(command)
        elif isinstance(command, c.ItemsReady):
            self.streams.receive(command)
        elif isinstance(command, c.ReaderLeft):
            self.streams.left(command)
        elif isinstance(command, c.ItemsRead):
            if self.producer is not None and self.producer.task_id == command.task_id:
                self.producer.read = command.count
        elif isinstance(command, c.ViewsGranted):
            self.receive_views(command)
        elif isinstance(command, c.ReturnTasks):
            kept = 1 if self.ops is not None else 0
            returned = [TaskId(task.task_id) for task in list(self.queue)[kept:]]
            self.queue = deque(list(self.queue)[:kept])
            self.tell(f.TasksReturned(self.client_id, self.world.at, returned))
        elif isinstance(command, c.InterruptTask):
            self._interrupt(command.task_id)
        elif isinstance(command, c.SpaceGranted):
            self._use_space(command)
        elif isinstance(command, c.Exit):
            self.world.worker_ends(self, intended=True)

    def can_step(self) -> bool:
        """Whether there is something to do that does not wait for the node."""
        if self.ops is None:
            return bool(self.queue)
        if self.producer is not None and self.producer.must_wait:
            return False
        return self.awaits_space is None and all(object_id in self.values for object_id in self.awaits)

    def step(self) -> None:
        """One step of the running task's program."""
        self.check_views()
        self._check_arguments()
        if self.ops is None:
            self._begin()
            return
        if self.awaits:
            self.awaits = []
            self.tell(f.WorkerUnblocked(self.client_id, self.world.at))
        if self.producer is not None and self.producer.read == NOBODY_READS:
            self.ops.clear()  # the generator is closed
            self._return([SMALL])
            return
        op = self.ops.popleft()
        if op.kind == "yield" and not op.amount:
            self._yield(self._result())
        elif op.kind == "work":
            if op.amount:
                self.ops.appendleft(Op("work", op.amount - 1))
        elif op.kind == "spawn":
            self._spawn(op.amount)
        elif op.kind == "get":
            self._get()
        elif op.kind in ("put", "return_shared", "yield"):
            self._request_space(op)
        elif op.kind == "print":
            self.tell(f.TaskOutput(self.head_id, self.world.at, "stdout", "hello\n"))
        elif op.kind == "exit_actor" and self.creation is not None:
            self.tell(f.ActorExited(self.creation, self.world.at))
            self.world.worker_ends(self)
        elif op.kind == "exit_actor":
            return
        elif op.kind == "fail_creation":
            self._end(f.TaskFailed(self.head_id, self.started_at, self.world.at, NOT_CREATED, "ValueError: x"))
        elif op.kind == "fail_restore":
            self._end(f.TaskFailed(self.head_id, self.started_at, self.world.at, NOT_RESTORED, "KeyError: x"))
        elif op.kind == "raise":
            self._end(f.TaskFailed(self.head_id, self.started_at, self.world.at, RAISED, "ValueError: x"))
        else:
            self._return([self._result() for _ in range(self._num_returns())])

    def _begin(self) -> None:
        info = self.world.tasks[self.head_id]
        self.world.note_begin(self.head_id)
        self.world.actors.note_begin(self, self.head_id)
        self.memory.begin(self.head_id)
        self.arguments = dict(zip(self.queue[0].dependencies, self.queue[0].values, strict=True))
        self._check_arguments()
        for value in self.arguments.values():
            assert value.kind < ValueKind.ERROR, "a task was given an error as its argument"
        self.producer = Producer(self.head_id, info.template) if info.template.stream is not None else None
        self.ops = deque(program(self.world.seed, self.head_id, info.depth, info.template))
        if self.head_id == self.creation and self.memory.fails_to_restore(self.world.random):
            self.ops = deque([Op("fail_restore")])
        self.ops_random = Random(f"ops {self.world.seed} {self.head_id.hex()}")
        self.children, self.child_index, self.put_index = [], 0, 0
        self.started_at = self.world.at
        # What a call names its actor by is not among the values that the actor gets.
        given = info.spec.contained[1:] if info.template.method else info.spec.contained
        mine = [object_id for object_id in given if object_id not in self.held]
        if mine:
            self.held.update(dict.fromkeys(mine))
            self.tell(f.ObjectsHeld(mine))

    def _check_arguments(self) -> None:
        for object_id, value in self.arguments.items():
            self.world.check_readable(object_id, value)

    def _spawn(self, count: int) -> None:
        if self.child_index == 0:
            # A retry submits the same again, so what is drawn from must not depend on what this process ran before.
            kept, self.held = self.held, {}
            new = self.submit(self.ops_random, self.head_id, 0, count, self.world.tasks[self.head_id].depth + 1)
            self.held = kept | self.held
        else:
            kept, self.held = self.held, dict.fromkeys(self.children)
            new = self.submit(
                self.ops_random, self.head_id, self.child_index, count, self.world.tasks[self.head_id].depth + 1
            )
            self.held = kept | self.held
        self.child_index += count
        self.children += new

    def _get(self) -> None:
        is_actor = self.world.actors.is_actor
        self.awaits = [object_id for object_id in self.children if object_id in self.held and not is_actor(object_id)]
        if self.awaits:
            self.tell(f.WorkerBlocked(self.client_id, self.world.at))
            extra = [object_id for object_id in self.awaits if object_id not in self.values]
            if extra and self.world.random.random() < 0.3:
                self.tell(f.ObjectsRequested(extra))

    def _request_space(self, op: Op) -> None:
        if op.kind == "return_shared" and not self._num_returns():
            self._return([])
            return
        if op.kind == "put":
            object_id = put_object_id(self.head_id, self.put_index)
            self.put_index += 1
        elif op.kind == "yield":
            assert self.producer is not None
            object_id = item_object_id(self.head_id, self.producer.yielded)
        else:
            object_id = return_object_id(self.head_id, 0)
        self.awaits_space, self.space_bytes = object_id, op.amount
        self.tell(f.SpaceRequested(object_id, op.amount))

    def _use_space(self, command: c.SpaceGranted) -> None:
        if self.awaits_space != command.object_id or self.ops is None:
            return
        self.awaits_space = None
        is_put = command.object_id[16] >= 0x80
        if command.error:
            self.world.refusals["write"] += 1
            if not is_put:
                self._end(f.TaskFailed(self.head_id, self.started_at, self.world.at, RAISED, "store full"))
            return
        value = ObjectValue(ValueKind.SHARED, b"", command.offset, self.space_bytes, self._some_held())
        self.world.disk.memory[command.offset] = command.object_id
        if is_put:
            self.held[command.object_id] = None
            self.values[command.object_id] = value
            self.tell(f.ObjectSealed(command.object_id, self.world.at, value))
        elif command.object_id != return_object_id(self.head_id, 0):
            self._yield(value)
        else:
            self._return([value] + [self._result() for _ in range(self._num_returns() - 1)])

    def _yield(self, value: ObjectValue) -> None:
        assert self.producer is not None, "only generators yield"
        self.tell(f.ItemsYielded(self.head_id, self.producer.yielded, self.world.at, [value]))
        self.producer.yielded += 1

    def _result(self) -> ObjectValue:
        return ObjectValue(ValueKind.INLINE, b"v", 0, 0, self._some_held())

    def _some_held(self) -> tuple[ObjectId, ...]:
        held = list(self.held)
        return (self.world.random.choice(held),) if held and self.world.random.random() < 0.4 else ()

    def _num_returns(self) -> int:
        return self.world.tasks[self.head_id].template.num_returns

    def _return(self, values: list[ObjectValue]) -> None:
        self._end(f.TaskFinished(self.head_id, self.started_at, self.world.at, tuple(values)))

    def _interrupt(self, task_id: TaskId) -> None:
        random = self.world.random
        if self.ops is not None and self.queue and self.head_id == task_id:
            if random.random() < 0.2:
                return
            if self.awaits_space is not None and self.awaits_space[16] >= 0x80:
                self.tell(f.SpaceReturned(self.awaits_space))
            self._end(f.TaskCancelled(task_id, self.world.at, "interrupted"))
            return
        for task in self.queue:
            if task.task_id == task_id:
                self.queue.remove(task)
                self.tell(f.TaskCancelled(task_id, self.world.at, "dropped"))
                return

    def _end(self, fact: f.Fact) -> None:
        self._keep_reading()
        if self.awaits:
            self.awaits = []
            if self.world.random.random() < 0.8:
                self.tell(f.WorkerUnblocked(self.client_id, self.world.at))
                self.tell(fact)
            else:
                self.tell(fact)
                self.tell(f.WorkerUnblocked(self.client_id, self.world.at))
        else:
            self.tell(fact)
        self.memory.ended(self.head_id, fact)
        self.queue.popleft()
        self.ops = None
        self.producer = None
        self.awaits_space = None
        self.streams.drop_all()
        if self.world.random.random() < 0.4:
            self.end_views(list(self.views))
        elif self.world.random.random() < 0.2:
            self.begin_views()
        if self.world.random.random() < 0.7 or len(self.held) > 30:
            self.release(list(self.held))

    def _keep_reading(self) -> None:
        """The task has kept views of some arguments: the node hears of it before it hears of the end."""
        self._check_arguments()
        shared = {oid: value for oid, value in self.arguments.items() if value.kind == ValueKind.SHARED}
        kept = [object_id for object_id in shared if object_id not in self.views and self.world.random.random() < 0.3]
        if kept:
            self.views.update({object_id: shared[object_id] for object_id in kept})
            self.tickets.update(dict.fromkeys(kept, 0))
            self.tell(f.ViewsHeld(kept))
        self.arguments = {}
