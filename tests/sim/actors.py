"""Actors in the simulator: what drivers and workers do with them, and what they must be able to rely on."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from cellray.ids import (
    ActorId,
    ClientId,
    FunctionHash,
    ObjectId,
    TaskId,
    actor_object_id,
    child_task_id,
    children_prefix,
    producer_of,
)
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.actor import ActorOptions, actor_of_call
from cellray.model.object import Failure, encode_failure
from cellray.model.task import TaskTemplate, make_resources, make_template

from tests.sim.programs import TEMPLATES, WEIGHTS, WEIGHTS_BELOW

if TYPE_CHECKING:
    from tests.sim.clients import VirtualDriver, VirtualWorker
    from tests.sim.world import World

CLASS = FunctionHash(b"simulated-class-")
NOT_CREATED = encode_failure(Failure("actor_died", "its constructor raised", {}))
HUNGRY_MAX = 3
"""Actors that hold resources; with more of them, tasks might wait for ever, and rightly."""
NAMES = ("one", "two")
NAMESPACE = "sim"


def _creation(class_name: str, amounts: dict[str, float], **options: object) -> TaskTemplate:
    actor = ActorOptions(class_name, **options)  # type: ignore[arg-type]
    return make_template(CLASS, class_name, make_resources(amounts), max_retries=0, actor=actor)


def _call(name: str, **options: int) -> TaskTemplate:
    return make_template(CLASS, name, (), method="call", **options)  # type: ignore[arg-type]


CREATIONS = (
    _creation("Plain", {}),
    _creation("Hungry", {"CPU": 0.25}),
    _creation("Restarting", {}, max_restarts=2, max_task_retries=1),
    _creation("Immortal", {}, max_restarts=-1),
    _creation("Keeping", {}, max_restarts=-1, max_task_retries=3, recovers=True, checkpoint_every=3),
    _creation("Replaying", {}, max_restarts=-1, max_task_retries=3, recovers=True),
)
CALLS = (
    _call("once", max_retries=0),
    _call("again", max_retries=1),
    _call("two", max_retries=0, num_returns=2),
    _call("recorded", max_retries=3, recorded=True),
    _call("recorded_silent", max_retries=3, recorded=True, num_returns=0),
)
RECOVERING = CREATIONS[-2:]
CREATION_WEIGHTS = (1, 1, 1, 1, 1.5, 1.5)
CALL_WEIGHTS = (8, 8, 4, 14, 3)
NAMED = {name: _creation("Named", {}, name=name, namespace=NAMESPACE, detached=True, max_restarts=1) for name in NAMES}


class ActorWatch:
    """What the world knows of actors. Calls of one client must reach a process in the order of their submission."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._creations: set[TaskId] = set()
        self._hungry_ones: set[TaskId] = set()
        self._places: dict[TaskId, tuple[ClientId, int]] = {}
        self._submitted: Counter[ClientId] = Counter()
        self._begun: dict[tuple[ClientId, ClientId], int] = {}
        self.restarted: Counter[TaskId] = Counter()

    def is_actor(self, object_id: ObjectId) -> bool:
        """Whether the object stands for an actor."""
        creation = producer_of(object_id)
        return creation in self._creations and object_id == actor_object_id(ActorId(creation))

    def recovers(self, object_id: ObjectId) -> bool:
        """Whether the actor loses no state."""
        options = self._world.tasks[producer_of(object_id)].template.actor
        return options is not None and options.recovers

    def draw(self, random: Random, known: list[ObjectId], depth: int) -> TaskTemplate:
        """What a client submits next: a call only when it holds an actor."""
        everything = (*TEMPLATES, *CREATIONS, *CALLS)
        weights = (*(WEIGHTS_BELOW if depth else WEIGHTS), *CREATION_WEIGHTS, *CALL_WEIGHTS)
        template = random.choices(everything, weights)[0]
        if template.method and not any(self.is_actor(object_id) for object_id in known):
            return TEMPLATES[0]
        if template.actor is not None and template.resources and (depth or self._hungry() >= HUNGRY_MAX):
            return TEMPLATES[0]
        return template

    def one_of(self, random: Random, known: list[ObjectId]) -> ObjectId:
        """An actor that the client holds."""
        return random.choice([object_id for object_id in known if self.is_actor(object_id)])

    def _hungry(self) -> int:
        known = self._world.core._actors.known
        return sum(1 for creation in self._hungry_ones if ActorId(creation) in known)

    def note_submission(self, task_id: TaskId, template: TaskTemplate, client_id: ClientId) -> None:
        """A client is about to submit a creation, a call, or an ordinary task."""
        if template.actor is not None:
            self._creations.add(task_id)
            if template.resources:
                self._hungry_ones.add(task_id)
        elif template.method:
            self._submitted[client_id] += 1
            self._places[task_id] = (client_id, self._submitted[client_id])

    def note_begin(self, worker: VirtualWorker, task_id: TaskId) -> None:
        """A process begins a task. Those submitted again, by a parent that ran again, have older places."""
        place = self._places.get(task_id)
        if place is None:
            return
        info = self._world.tasks[task_id]
        assert worker.creation == actor_of_call(info.spec.contained), "a call has reached another actor's process"
        if self._world.submissions[task_id] == 1:
            caller, number = place
            begun = self._begun.get((worker.client_id, caller), 0)
            assert number > begun, f"call {number} of client {caller} came after call {begun}"
            self._begun[worker.client_id, caller] = number

    def note_fact(self, fact: f.Fact) -> None:
        """The core has something to say for the log."""
        if isinstance(fact, f.ActorDied) and fact.will_restart:
            self.restarted[TaskId(fact.actor_id)] += 1
        self._world.histories.note_fact(fact)
        self._world.kinds[type(fact).__name__] += 1


class ActorUser:
    """A driver's use of actors beyond creating and calling them: names, kills."""

    def __init__(self, driver: VirtualDriver) -> None:
        self._driver = driver
        self._asked: list[tuple[str, int | None]] = []

    def act(self) -> None:
        """Take a name for an actor, look one up, or kill an actor that is held."""
        driver = self._driver
        random = driver.world.random
        choice = random.random()
        if choice < 0.6:
            self._ask(random.choice(NAMES), is_candidate=choice < 0.4)
        elif mine := [object_id for object_id in driver.held if driver.world.actors.is_actor(object_id)]:
            victim = ActorId(producer_of(random.choice(mine)))
            driver.tell(f.ActorKillRequested(victim, driver.world.at, random.random() < 0.5))

    def burst(self) -> None:
        """Many calls of one actor that loses no state, whose process may be killed under them."""
        driver = self._driver
        random = driver.world.random
        actors = driver.world.actors
        mine = [held for held in driver.held if actors.is_actor(held) and actors.recovers(held)]
        if not mine:
            driver.submit_one(driver.take_index(), random.choice(RECOVERING))
            return
        actor = random.choice(mine)
        for _ in range(random.randint(2, 8)):
            values = [held for held in driver.held if not actors.is_actor(held)]
            dependencies = (random.choice(values),) if values and random.random() < 0.3 else ()
            driver.submit_one(driver.take_index(), random.choice(CALLS[-2:]), dependencies, (actor,))
        if random.random() < 0.5:
            driver.tell(f.ActorKillRequested(ActorId(producer_of(actor)), driver.world.at, no_restart=False))

    def _ask(self, name: str, *, is_candidate: bool) -> None:
        driver = self._driver
        index = candidate = None
        if is_candidate:
            index = driver.take_index()
            candidate = ActorId(child_task_id(children_prefix(driver.root), index))
        driver.tell(f.ActorNameRequested(len(self._asked), name, NAMESPACE, candidate))
        self._asked.append((name, index))

    def receive(self, command: c.ActorNamed) -> None:
        """The answer. A release of an earlier handle may be on its way, so that the node hears of this one after it."""
        driver = self._driver
        name, index = self._asked[command.request]
        if command.object_id is not None:
            driver.held[command.object_id] = None
            driver.tell(f.ObjectsHeld([command.object_id]))
        elif index is not None:
            driver.submit_one(index, NAMED[name])
