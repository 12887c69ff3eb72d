"""Names of actors: who has which, taken atomically. A name is taken first and its actor created then.

Between the two the name is reserved for the candidate of the client that asked; others who would create an actor of
that name meanwhile get their answer when it is there, or when that client has gone without creating it.
"""

from __future__ import annotations

from cellray.core.actor_record import Actor
from cellray.core.clients import Client
from cellray.core.objects import ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.workers import job_of
from cellray.ids import ActorId
from cellray.model.actor import ActorOptions
from cellray.model.command import ActorNamed, ActorNamesListed
from cellray.model.fact import ActorNameRequested, ActorNamesRequested

Key = tuple[str, str]


class Reservation:
    """A name that is free no more, for an actor that is not there yet."""

    __slots__ = ("candidate", "client", "waiters")

    def __init__(self, candidate: ActorId, client: Client) -> None:
        self.candidate = candidate
        self.client = client
        self.waiters: list[tuple[ActorNameRequested, Client]] = []


class ActorNames:
    """The names of one node. An empty namespace stands for that of the job."""

    def __init__(self, objects: ObjectTable, outbox: Outbox) -> None:
        self._objects = objects
        self._outbox = outbox
        self._taken: dict[Key, Actor | Reservation] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def request(self, fact: ActorNameRequested, client: Client) -> None:
        """Answer who has the name; a candidate gets it if nobody has."""
        key = (fact.namespace or namespace_of(client), fact.name)
        holder = self._taken.get(key)
        if isinstance(holder, Actor) and holder.actor_id == fact.candidate:
            self._outbox.send(client, ActorNamed(fact.request))  # its creator runs again, and will submit it again
        elif isinstance(holder, Actor):
            self._objects.hold(holder.object_id, client)
            answer = ActorNamed(fact.request, holder.object_id, holder.creation.template.spec)
            self._outbox.send(client, answer)
        elif fact.candidate is None:
            self._outbox.send(client, ActorNamed(fact.request))
        elif holder is None or holder.candidate == fact.candidate:
            if holder is None:
                self._taken[key] = Reservation(fact.candidate, client)
            else:
                holder.client = client
            self._outbox.send(client, ActorNamed(fact.request))
        else:
            holder.waiters.append((fact, client))

    def list(self, fact: ActorNamesRequested, client: Client) -> None:
        """Answer which names there are."""
        mine = namespace_of(client)
        names = [
            key
            for key, holder in self._taken.items()
            if isinstance(holder, Actor) and (fact.all_namespaces or key[0] == mine)
        ]
        self._outbox.send(client, ActorNamesListed(fact.request, names))

    def take(self, actor: Actor, client: Client) -> bool:
        """Its actor is created; False when the name is not reserved for it."""
        key = _key(actor.options, client)
        holder = self._taken.get(key)
        if isinstance(holder, Actor) or (holder is not None and holder.candidate != actor.actor_id):
            return False
        self._taken[key] = actor
        if holder is not None:
            self._answer(holder)
        return True

    def free(self, actor: Actor) -> None:
        """The actor is dead: its name may be taken again."""
        for key in [key for key, holder in self._taken.items() if holder is actor]:
            del self._taken[key]

    def forget(self, client: Client) -> None:
        """The client has gone, and what it reserved is free."""
        mine = [
            (key, each)
            for key, each in self._taken.items()
            if isinstance(each, Reservation) and (each.client is client or each.waiters)
        ]
        for key, reservation in mine:
            reservation.waiters = [entry for entry in reservation.waiters if entry[1] is not client]
            if reservation.client is client:
                del self._taken[key]
                self._answer(reservation)

    def _answer(self, reservation: Reservation) -> None:
        for fact, client in reservation.waiters:
            self.request(fact, client)


def _key(options: ActorOptions, client: Client) -> Key:
    return options.namespace or namespace_of(client), options.name


def namespace_of(client: Client) -> str:
    """Where a client's names are looked up."""
    job = job_of(client)
    return job.namespace if job is not None else ""
