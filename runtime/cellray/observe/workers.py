"""Who runs what: the queues of the workers, derived from the order in which tasks were dispatched to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable

from cellray.model.fact import WorkerExited
from cellray.observe.call_slots import CallSlots
from cellray.observe.ledger import TaskLedger
from cellray.observe.records import READY, RETRIED, RUNNING, TaskRecord, WorkerKey, WorkerRecord


class WorkerQueues:
    """The workers of all nodes. A worker has at most one running task, the head of its queue, unless it is an actor
    that may have several calls under way."""

    def __init__(self, ledger: TaskLedger) -> None:
        self.workers: dict[WorkerKey, WorkerRecord] = {}
        self._slots: dict[WorkerKey, CallSlots] = {}
        self._ledger = ledger
        self._exited: deque[WorkerKey] = deque()

    def begin(self, key: WorkerKey, at: float, pid: int) -> None:
        """A worker connected."""
        known = self.workers.get(key)
        if known is None:
            self.workers[key] = WorkerRecord(key, at, pid)
        else:
            known.started_at, known.pid = at, pid

    def dispatch(self, key: WorkerKey, records: Iterable[TaskRecord], at: float) -> None:
        """Tasks go to the end of a worker's queue; an idle worker starts the first at once."""
        worker = self.workers.get(key)
        if worker is None:
            worker = self.workers[key] = WorkerRecord(key, at)
        # Whoever is given tasks lives, whatever was thought before.
        worker.exited_at = 0.0
        queue = worker.queue
        ledger = self._ledger
        for record in records:
            if record.queued:
                if record.worker == key:
                    continue
                self.leave(record, at)
            record.worker = key
            record.queued = True
            queue.append(record)
            if record.template.slots is not None:
                self._slots[key] = CallSlots(record.template.slots)
            slots = self._slots.get(key) if self._slots else None
            if slots.add(record) if slots is not None else len(queue) == 1:
                ledger.start(record, at)
            else:
                ledger.move(record, RETRIED if record.state == RETRIED else READY)

    def leave(self, record: TaskRecord, at: float) -> None:
        """A task is out of its worker's queue; when it was the head, the next one starts."""
        record.queued = False
        queue = self._queue(record)
        slots = self._slots.get(record.worker) if self._slots and record.worker is not None else None
        if slots is not None:
            queue.remove(record)
            follower = slots.remove(record)
            if follower is not None:
                self._ledger.start(follower, at)
        elif queue[0] is record:
            queue.popleft()
            if queue:
                self._ledger.start(queue[0], at)
        else:
            queue.remove(record)

    def run_now(self, record: TaskRecord, key: WorkerKey, at: float) -> None:
        """A worker said what it runs: that task is the head, whatever was thought before."""
        if record.queued and record.worker != key:
            self.leave(record, at)
        self.dispatch(key, [record], at)
        queue = self._queue(record)
        slots = self._slots.get(key)
        if slots is not None:
            slots.run_now(record)
            if record.state != RUNNING:
                self._ledger.start(record, at)
        elif queue[0] is not record:
            head = queue[0]
            head.started_at = 0.0
            self._ledger.move(head, READY)
            queue.remove(record)
            queue.appendleft(record)
            self._ledger.start(record, at)
        record.started_at = at
        self._ledger.move(record, RUNNING)

    def take_back(self, key: WorkerKey, gone: Container[TaskRecord], at: float) -> None:
        """Tasks leave a worker's queue without having run; the caller says what becomes of them."""
        worker = self.workers.get(key)
        if worker is None or not worker.queue:
            return
        if key in self._slots:
            for record in [record for record in worker.queue if record in gone]:
                self.leave(record, at)
            return
        head = worker.queue[0]
        stay = deque(record for record in worker.queue if record not in gone)
        for record in worker.queue:
            if record in gone:
                record.queued = False
        worker.queue = stay
        if stay and stay[0] is not head:
            self._ledger.start(stay[0], at)

    def exit(self, key: WorkerKey, fact: WorkerExited) -> None:
        """A worker is gone; what it held is ready, until the core says otherwise."""
        worker = self.workers.get(key)
        if worker is None:
            worker = self.workers[key] = WorkerRecord(key, fact.at)
        if not worker.exited_at:
            self._exited.append(key)
        worker.exited_at = fact.at
        worker.signal, worker.exit_code, worker.intended = fact.signal, fact.exit_code, fact.intended
        self._clear(worker)
        while len(self._exited) > self._ledger.limits.workers_max:
            oldest = self.workers.get(self._exited.popleft())
            if oldest is not None and oldest.exited_at:
                del self.workers[oldest.key]

    def forget_node(self, node_id: str) -> None:
        """A node began anew: what is known of its workers is over."""
        for key in [key for key in self.workers if key[0] == node_id]:
            self._clear(self.workers.pop(key))
        self._exited = deque(key for key in self._exited if key[0] != node_id)

    def clear(self, at: float) -> None:
        """No worker lives any more."""
        for worker in self.workers.values():
            self._clear(worker)
            worker.exited_at = worker.exited_at or at

    def _clear(self, worker: WorkerRecord) -> None:
        for record in worker.queue:
            record.queued = False
            record.started_at = 0.0
            self._ledger.move(record, READY)
        worker.queue.clear()
        worker.blocked = False
        self._slots.pop(worker.key, None)

    def _queue(self, record: TaskRecord) -> deque[TaskRecord]:
        assert record.worker is not None, f"task {record.task_id.hex()} is queued at no worker"
        return self.workers[record.worker].queue
