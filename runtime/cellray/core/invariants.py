"""What must be true of a node's core between two calls of `handle`. Tests and the simulator ask after every event.

`check_quick` costs the number of workers and shapes, `check` that of everything there is. Both raise AssertionError
naming the rule; they read the core's private parts, which is their purpose.
"""

from __future__ import annotations

from collections import Counter

from cellray.core.actor_record import ALIVE, DEAD, PENDING, RESTARTING
from cellray.core.blocks import LOST, NOWHERE, RESTORING, SPILLED, SPILLING, Block
from cellray.core.node_scheduler import NodeScheduler
from cellray.core.objects import SHARED
from cellray.core.placement_groups import CREATED
from cellray.core.tasks import Task
from cellray.core.transitions import ASSIGNED, FINISHED, READY, WAITING, story
from cellray.core.workers import Worker
from cellray.ids import item_object_id, producer_of
from cellray.model.actor import ActorState
from cellray.model.placement import sum_of
from cellray.model.task import RESOURCE_UNITS


def check_quick(core: NodeScheduler) -> None:
    """The rules that need no look at each task and object."""
    _check_resources(core)
    _check_workers(core)
    _check_no_needless_idling(core)
    counts = core.status.counts()
    live = sum(counts[state] for state in counts if state < FINISHED)
    assert live == core._tasks.live, f"{core._tasks.live} live tasks, but by state {counts}"
    assert all(count >= 0 for count in counts.values()), f"negative count in {counts}"
    assert not core._objects.resolved, "objects got values and nobody was told"
    assert not core._dispatcher.emptied, "leases were not looked at"


def check(core: NodeScheduler) -> None:
    """All rules."""
    check_quick(core)
    _check_tasks(core)
    _check_tree(core)
    _check_queues(core)
    _check_devices(core)
    _check_environments(core)
    _check_actors(core)
    _check_generators(core)
    _check_references(core)
    _check_arena(core)
    _check_blocks(core)
    _check_requests(core)


def check_drained(core: NodeScheduler) -> None:
    """Nothing is left of anything that ran: for the end of a test in which all clients have left or released all."""
    check(core)
    assert not core._tasks.tasks, f"records are left: {[story(task) for task in core._tasks.tasks.values()][:5]}"
    assert not core._objects.entries, f"objects are left: {list(core._objects.entries)[:5]}"
    assert not core._objects.space.travelling, "the disk has not answered"
    assert core._objects.space.disk_bytes == 0, f"{core._objects.space.disk_bytes} bytes are left on disk"
    assert core._objects.arena.used_bytes == 0, f"{core._objects.arena.used_bytes} bytes are left in the arena"
    assert core._objects.arena.gaps() == [(0, core._objects.arena.arena_bytes)], "the arena's gaps were not joined"
    assert not core._tasks.generators.streams, "somebody still reads generators"
    assert not core._actors.known, f"actors are left: {list(core._actors.known)[:5]}"
    assert not len(core._actors.names), "names of actors are left"
    assert not core._groups.known, f"placement groups are left: {list(core._groups.known)[:5]}"
    assert core._pool.available == core._pool.total, f"{core._pool.available} of {core._pool.total} are back"
    assert not any(queue.by_job or queue.workers for queue in core._tasks.registry.queues.values()), (
        "a queue is not empty"
    )


def _check_resources(core: NodeScheduler) -> None:
    expected = dict(core._pool.total)
    for worker in core._workers.workers.values():
        if worker.lease is not None and not worker.blocked:
            for name, units in worker.lease.demand:
                expected[name] -= units
        elif worker.lease is not None:
            for name, units in worker.lease.kept:
                expected[name] -= units
    for group in core._groups.known.values():
        if group.state == CREATED or group in core._groups.leaving:
            for name, units in sum_of(group.options.bundles):
                expected[name] -= units
    assert core._pool.available == expected, f"{core._pool.available} is free, leases leave {expected}"


def _check_workers(core: NodeScheduler) -> None:
    workers = core._workers
    assert workers.blocked == sum(worker.blocked for worker in workers.workers.values() if worker.actor is None), (
        "blocked workers miscounted"
    )
    assert workers.dedicated == sum(worker.actor is not None for worker in workers.workers.values()), (
        "actors miscounted"
    )
    for worker in workers.workers.values():
        name = f"worker {worker.client_id}"
        assert core._clients.get(worker.client_id) is worker, f"{name} is no client"
        assert worker.alive, f"{name} is dead"
        closed = worker.blocked or worker.returning or worker.ending or worker.is_worn or worker.actor is not None
        closed = closed or worker.kept_for is not None
        assert worker.open == (not closed), f"{name}: open is wrong"
        assert (worker in workers.idle) == (worker.open and not worker.queue), f"{name}: idle is wrong"
        if worker.actor is not None:
            assert worker.lease is not None, f"{name} is an actor's and has no lease"
            assert worker not in worker.lease.workers, f"{name} is an actor's and with its shape"
            assert worker.actor.state == DEAD or worker.actor.worker is worker, f"{name} is not its actor's"
            continue
        assert (worker in workers.kept) == (worker.kept_for is not None), f"{name} is kept for {worker.kept_for}"
        holds = bool(worker.queue) or worker.kept_for is not None
        assert (worker.lease is not None) == holds, f"{name}: {len(worker.queue)} tasks, lease {worker.lease}"
        if worker.lease is not None and worker.kept_for is None:
            assert (worker in worker.lease.workers) != worker.blocked, f"{name} is not with its shape"
        assert len(worker.queue) <= max(1, core._config.dispatch_batch_max), f"{name} holds {len(worker.queue)}"
        assert not worker.outbox, f"values for {name} were not sent"
    assert all(worker.client_id in workers.workers for worker in workers.idle), "a dead worker is idle"
    assert not core._kept.asked, "who asked for a worker got no answer"
    for client in core._clients.values():
        kept = [worker for worker in workers.kept if worker.kept_for is client]
        assert kept == list(client.kept), f"client {client.client_id} does not know who is kept for it"


def _check_no_needless_idling(core: NodeScheduler) -> None:
    """No worker idles while a task that would fit is ready, unless what is free is kept for an older one."""
    if not core._workers.idle or any(queue.starved_since is not None for queue in core._tasks.registry.queues.values()):
        return
    for queue in core._tasks.registry.queues.values():
        if queue.count and core._workers.has_idle(queue.environment) and not (queue.is_closed or queue.for_groups):
            assert not core._pool.fits(queue.demand), f"{queue.count} tasks of {queue.demand} wait idly"


def _check_tasks(core: NodeScheduler) -> None:
    waiting = 0
    for task_id, task in core._tasks.tasks.items():
        assert task.task_id == task_id, story(task)
        if task.state == WAITING:
            waiting += 1
            entries = set(task.pinned[: len(task.spec.dependencies)])
            awaited = [entry for entry in entries if entry.waiters is not None and task in entry.waiters]
            missing = sum((entry.waiters or []).count(task) for entry in awaited) + (task in core._tasks.holds.held)
            assert missing == task.missing > 0, story(task)
            assert all(entry in awaited for entry in entries if entry.value is None), story(task)
        assert (task.worker is not None) == (task.state == ASSIGNED), story(task)
        if task.worker is not None:
            assert task in task.worker.queue, story(task)
            if task.template.spec.method:
                assert task.worker.actor is not None, story(task)
            else:
                assert task.template.queue is task.worker.lease, story(task)
        if task.state < FINISHED:
            assert task.actor is None or task.actor.state != DEAD, f"its actor is dead. {story(task)}"
            for entry in task.returns:
                assert core._objects.entries.get(entry.object_id) is entry, f"a return is unknown. {story(task)}"
        else:
            assert task.children, f"a final task without descendants is still known. {story(task)}"
            assert (task.pinned, task.orphans, task.returns, task.views) == ((), (), (), ()), story(task)
    assert waiting == core._tasks.waiting, f"{waiting} tasks wait, {core._tasks.waiting} counted"
    jobs = Counter(id(task.job) for task in core._tasks.tasks.values() if task.state < FINISHED)
    for job in core._tasks.jobs.values():
        assert job.live == jobs[id(job)], f"job {job.job_id.hex()} counts {job.live} live tasks of {jobs[id(job)]}"
        assert job.live or not job.ended, f"job {job.job_id.hex()} ended and is still known"


def _check_tree(core: NodeScheduler) -> None:
    for task in core._tasks.tasks.values():
        for child in task.children or ():
            assert child.parent is task, f"is listed by a task that is not its parent. {story(child)}"
            assert core._tasks.tasks.get(child.task_id) is child, f"is listed by its parent and unknown. {story(child)}"
        if task.parent is not None:
            assert core._tasks.tasks.get(task.parent.task_id) is task.parent, f"has an unknown parent. {story(task)}"
            assert task in (task.parent.children or ()), f"is not listed by its parent. {story(task)}"


def _check_queues(core: NodeScheduler) -> None:
    ready: Counter[int] = Counter()
    calls = 0
    for task in core._tasks.tasks.values():
        if task.state == READY and task.template.spec.method:
            calls += 1
        elif task.state == READY:
            ready[id(task.template.queue)] += 1
    assert calls == core._actors.calls.count, f"{core._actors.calls.count} ready calls counted of {calls}"
    for demand, queue in core._tasks.registry.queues.items():
        queued: list[Task] = [task for tasks in queue.by_job.values() for task in tasks if task.state == READY]
        assert len(queued) == len(set(queued)), f"a task stands twice in the queue of {demand}"
        counted = ready.pop(id(queue), 0)
        assert queue.count == len(queued) == counted, f"{queue.count} counted, {len(queued)} in queue {demand}"
        for worker in queue.workers:
            assert worker.lease is queue, f"worker {worker.client_id} is listed by a shape that it does not serve"
    assert not ready, "tasks are ready in queues that nobody serves"


def _check_devices(core: NodeScheduler) -> None:
    """Each GPU is given away once, and what a placement group has of it is not the node's to give."""
    table = core._pool.devices
    for worker in core._workers.workers.values():
        if worker.lease is None:
            assert not worker.devices, f"worker {worker.client_id} has GPUs and no lease"
        else:
            asked = [units for name, units in worker.lease.demand if name in table.free]
            had = sum(units for _, units in worker.devices)
            assert had == (asked[0] if asked else 0), f"worker {worker.client_id} has {had} of GPUs, not {asked}"
    for name, account in table.free.items():
        assert sum(account.values()) == core._pool.available[name], f"GPUs of {name} and their count differ"
        assert all(0 <= units <= RESOURCE_UNITS for units in account.values()), f"a GPU of {name} is given away twice"


def _check_environments(core: NodeScheduler) -> None:
    for worker in core._workers.workers.values():
        for task in worker.queue:
            assert task.template.spec.method or task.template.spec.environment == worker.environment, story(task)


def _check_actors(core: NodeScheduler) -> None:
    assert not core._actors.calls.changed, "calls were not looked at"
    for actor_id, actor in core._actors.known.items():
        name = f"actor {actor_id.hex()} ({ActorState(actor.state).name})"
        assert actor.actor_id == actor_id, name
        assert actor.object_id in core._objects.entries, f"{name} is known and nobody refers to it"
        assert (actor.state != ALIVE) or actor.worker is not None, f"{name} has no worker"
        assert actor.state != DEAD or (actor.death is not None and not actor.lanes), f"{name} has calls or no reason"
        journal = actor.journal
        if journal is None:
            assert (actor.creation.state < FINISHED) == (actor.state in (PENDING, RESTARTING)), name
        for lane in actor.lanes.values():
            assert lane, f"{name} has an empty lane"
            assert all(task.state != ASSIGNED for task in lane), f"{name}: a call was sent and waits"
            is_held_up = journal is not None and (journal.is_replaying or journal.suspect is not None)
            if actor.takes_calls and not is_held_up:
                assert lane[0].state == WAITING, f"{name} does not get a call that is ready. {story(lane[0])}"


def _check_generators(core: NodeScheduler) -> None:
    """A stream is there while its generator is under way or somebody reads it, who holds what he has not taken."""
    for task_id, stream in core._tasks.generators.streams.items():
        name = f"the stream of {story(stream.task)}"
        is_live = stream.task.state < FINISHED
        assert stream.task.task_id == task_id, name
        assert not is_live or core._tasks.tasks.get(task_id) is stream.task, f"{name} is of a record that has gone"
        if stream.reader is None:
            assert is_live, f"{name} is read by nobody and has ended"
            continue
        assert stream.reader.alive, f"{name} has a reader that has left"
        for index in range(stream.taken if stream.is_paced else stream.delivered, stream.delivered):
            assert item_object_id(task_id, index) in stream.reader.held, f"{name}: item {index} is not held"


def _check_references(core: NodeScheduler) -> None:
    refs: Counter[int] = Counter()
    for client in core._clients.values():
        assert isinstance(client, Worker) or client.job is not None, "a driver without a job"
        for object_id, entry in client.held.items():
            assert core._objects.entries.get(object_id) is entry, f"{object_id.hex()} is held and unknown"
            refs[id(entry)] += 1
        refs.update(id(block.entry) for block in client.views.values())
    for task in core._tasks.tasks.values():
        refs.update(id(entry) for entry in (*task.pinned, *task.orphans))
    for actor in core._actors.known.values():
        refs.update(id(entry) for entry in actor.kept)
        if actor.journal is not None:
            refs.update(id(entry) for entry in actor.journal.entries())
    for group in core._groups.known.values():
        refs.update(id(entry) for entry in group.kept)
    for object_id, sources in core._objects.lineage.sources_of.items():
        made = core._objects.entries.get(object_id)
        assert made is not None, f"{object_id.hex()} has gone, and what it was made of is kept"
        assert made.value is None or made.value.kind == SHARED, f"{object_id.hex()} is small, and has sources"
        refs.update(map(id, sources))
    for entry in core._objects.entries.values():
        refs.update(id(inner) for inner in entry.contains)
    produced = {entry.object_id for task in core._tasks.tasks.values() for entry in task.returns}
    for object_id, entry in core._objects.entries.items():
        assert entry.object_id == object_id, f"{object_id.hex()} is filed wrongly"
        assert entry.refs == refs[id(entry)], f"{object_id.hex()} counts {entry.refs} of {refs[id(entry)]} references"
        assert entry.value is not None or object_id in produced, f"{object_id.hex()} will never have a value"
        assert entry.value is None or entry.refs, f"{object_id.hex()} has a value that nobody refers to"
        if entry.value is None and entry.owner is not None and entry.owner.alive:
            assert object_id in entry.owner.held, f"{object_id.hex()} is not held by its owner"


def _check_arena(core: NodeScheduler) -> None:
    arena = core._objects.arena
    space = core._objects.space
    owned = [offset for client in core._clients.values() for offset in client.granted.values()]
    owned += [block.offset for block in space.blocks.values() if block.state not in (SPILLED, LOST)]
    owned += [block.offset for block in _doomed(core)]
    assert len(owned) == len(set(owned)), "two objects are at one offset"
    blocks = arena.blocks()
    assert set(owned) == set(blocks), f"{len(owned)} offsets are owned, {len(blocks)} allocated"
    assert arena.used_bytes == sum(blocks.values()), "the arena miscounts what is in use"
    end = 0
    was_gap = False
    for offset, size, is_gap in sorted(
        [(offset, size, False) for offset, size in blocks.items()] + [(o, s, True) for o, s in arena.gaps()]
    ):
        assert offset == end, f"the arena has a hole or an overlap at {end}"
        assert not (is_gap and was_gap), f"two gaps meet at {offset}"
        end, was_gap = offset + size, is_gap
    assert end == arena.arena_bytes, f"the arena ends at {end} of {arena.arena_bytes}"


def _check_blocks(core: NodeScheduler) -> None:
    """Each shared object has a block that says where it is; nothing that is read moves; the disk keeps its quota."""
    space = core._objects.space
    pins: Counter[int] = Counter()
    staged: Counter[int] = Counter()
    for client in core._clients.values():
        for object_id, block in client.views.items():
            assert block.doomed or space.blocks.get(object_id) is block, f"{object_id.hex()} is viewed and has no block"
            if block.viewers is None or client not in block.viewers:
                pins[id(block)] += 1
    for task in core._tasks.tasks.values():
        (staged if task.worker is None else pins).update(map(id, task.views))
    shared = [entry for entry in core._objects.entries.values() if entry.value and entry.value.kind == SHARED]
    assert {entry.object_id for entry in shared} == set(space.blocks), "blocks and shared values differ"
    for entry in shared:
        assert entry.value is not None
        block = space.blocks[entry.object_id]
        name = f"block {entry.object_id.hex()}"
        assert block.entry is entry, f"{name} is of another object"
        assert not block.doomed, f"{name} is doomed and known"
        assert block.pins == pins[id(block)], f"{name} counts {block.pins} of {pins[id(block)]} pins"
        assert block.staged == staged[id(block)], f"{name} counts {block.staged} of {staged[id(block)]} tasks"
        assert block.is_readable or not block.pins, f"{name} is read and not in memory"
        awaited = any(task.state == WAITING for task in entry.waiters or ())
        assert block.is_readable or block.staged or block.loss or not awaited, f"{name} is awaited and forgot it"
        assert (block.offset == NOWHERE) == (block.state in (SPILLED, LOST)), f"{name} is at {block.offset}"
        assert (block.state == LOST) == (space.lost.get(entry.object_id) is block), f"{name} is lost or not"
        awaited = awaited or bool(block.viewers)
        under_way = producer_of(entry.object_id) in core._objects.recovery.under_way
        assert block.state != LOST or not awaited or under_way or _is_made(core, block), f"nobody makes {name} again"
        assert block.state == RESTORING or entry.value.offset == block.offset, f"{name} is not where its value says"
        assert (space.travelling.get(block.spill_id) is block) == (block.state in (SPILLING, RESTORING)), name
    on_disk = [block for block in space.blocks.values() if block.state in (SPILLED, SPILLING, RESTORING)]
    on_disk += [block for block in space.travelling.values() if block.doomed]
    assert len(space.lost) == sum(block.state == LOST for block in space.blocks.values()), "what is lost is miscounted"
    assert {key: lost for of in space.lost_of.values() for key, lost in of.items()} == space.lost, "losses by tasks"
    assert space.disk_bytes == sum(block.object_bytes for block in on_disk), "what is on disk is miscounted"
    assert space.disk_bytes <= max(core._config.spill_bytes_max, 0), "there is more on disk than may be"
    assert space.spilling == sum(block.state == SPILLING for block in space.travelling.values()), "spills miscounted"


def _doomed(core: NodeScheduler) -> set[Block]:
    """Those whose objects are gone, or lie elsewhere now: they travel, or are read."""
    doomed = {block for block in core._objects.space.travelling.values() if block.doomed}
    for client in core._clients.values():
        doomed |= {block for block in client.views.values() if block.doomed}
    for task in core._tasks.tasks.values():
        if task.worker is not None:
            doomed |= {block for block in task.views if block.doomed}
    return doomed


def _is_made(core: NodeScheduler, block: Block) -> bool:
    """Whether the task that makes the object has not ended, and has not made it already."""
    task = core._tasks.tasks.get(producer_of(block.entry.object_id))
    return task is not None and task.state < FINISHED and core._objects.recovery._makes(task, block)


def _check_requests(core: NodeScheduler) -> None:
    """Whoever waits for room stands in a queue, and nobody else."""
    admission = core._objects.admission
    wanted = [request for client in core._clients.values() for request in client.wanted.values()]
    queued = [request for request in admission.urgent if request.block is None]
    assert set(wanted) == set(queued), "clients and the queue disagree about who wants to write"
    restores = [request for request in (*admission.urgent, *admission.staging) if request.block is not None]
    assert {request.block: request for request in restores} == admission._restores, "restores are not queued once"
    for block in core._objects.space.blocks.values():
        if block.state == SPILLED and (block.viewers or block.entry.waiters):
            live = block.viewers or any(task.state == WAITING for task in block.entry.waiters or ())
            assert not live or block in admission._restores, "a block is awaited and nobody reads it back"
