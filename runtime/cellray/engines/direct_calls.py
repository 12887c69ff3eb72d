"""Calls of actors, and tasks, without the node: for a driver that makes one after another and waits for each.

Its call would go to the node, from there to the actor's process, and the result the same way back, though nobody else
is concerned. So after some such calls the driver asks for a direct line (`client/direct_line.py`), sends its calls over
it, and tells the node of those that have ended by and by. A line is used only while no other call of this driver at
this actor is under way: a call that goes by the node shuts it, and it is asked for anew. The node says yes when it
knows of none.

For tasks that ask for the same resources it is a line to a worker which the node keeps for this driver, when nobody
else has anything to run. The driver gives it back by submitting any task or call by the node; the node takes it back by
having the worker say so on the line.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from cellray.awake import Vigil
from cellray.client.channel import AWAKE_S, CAN_STAY_AWAKE
from cellray.client.direct_line import CallEnded, CallSent, DirectLine, LineOpened, LineShut, NodeTold
from cellray.client.interrupts import Shield
from cellray.client.outgoing import CALLS_MAX, Submitted
from cellray.engines.callee import PAUSE_MIN, Callee
from cellray.ids import ObjectId, TemplateId, producer_of
from cellray.model.command import ObjectsReady
from cellray.model.fact import DirectCall, DirectLineRequested, Fact, TaskFinished, TasksSubmitted
from cellray.model.task import Resources, TaskTemplate

if TYPE_CHECKING:
    from cellray.engines.native import NativeEngine

HAND_OVER_S = 0.01
"""A call that takes longer is the node's: it is seen to be running, and its end costs little by comparison."""
ANSWERED_WITHIN = 4
"""The node has said no when it has not answered for so many calls."""
LINES_MAX = 64

# What a template is of: an actor's method, or tasks of one of the shapes, which are counted from 1.
METHOD = 0
SPECIAL_METHOD = -1
Shape = tuple[Resources, str]
"""What tasks ask for, and in which environment."""


class DirectCalls:
    """The lines of one driver. `after`: so many calls come first; 0 for who makes none."""

    def __init__(self, engine: NativeEngine, after: int) -> None:
        self._engine = engine
        self._after = after
        self._kinds: dict[TemplateId, int] = {}
        self._shapes: dict[Shape, int] = {}
        self._callees: dict[ObjectId | int, Callee] = {}
        self._lines_asked = 0
        self._looking = threading.Lock()
        self._listener: socket.socket | None = None
        self._address = ""
        self._arriving: list[DirectLine] = []
        self._vigil = Vigil()

    def learn(self, template: TaskTemplate) -> None:
        """Of what there will be calls or tasks. Plain ones return one value."""
        if not self._after:
            return
        is_plain = template.num_returns == 1 and template.stream is None
        is_made = template.actor is not None or template.group is not None
        is_placed = template.placement is not None and bool(template.placement.group_id)
        if template.method:
            self._kinds[template.template_id] = METHOD if is_plain else SPECIAL_METHOD
        elif is_plain and not (is_made or is_placed or template.max_calls):
            shape = template.resources, template.environment
            self._kinds[template.template_id] = self._shapes.setdefault(shape, len(self._shapes) + 1)

    def lone_call(self, obj: ObjectId) -> Submitted | None:
        """The plain call that `obj` is the result of, if it is all that is to be sent."""
        lone = self._engine.channel.outgoing.lone_task()
        if lone is None:
            return None
        spec = lone[1]
        kind = self._kinds.get(spec.template_id, SPECIAL_METHOD)
        if kind == SPECIAL_METHOD or spec.dependencies or len(spec.contained) != (kind == METHOD):
            return None
        return lone if self._engine.context.index_of(producer_of(obj)) == spec.index else None

    def callee(self, lone: Submitted) -> Callee:
        """Whom it calls."""
        spec = lone[1]
        key: ObjectId | int = spec.contained[0] if spec.contained else self._kinds[spec.template_id]
        callee = self._callees.get(key)
        if callee is None:
            if len(self._callees) >= LINES_MAX:
                self._drop_one()
            self._lines_asked += 1
            callee = self._callees[key] = Callee(None if isinstance(key, int) else key, self._lines_asked)
        return callee

    def call(self, callee: Callee, lone: Submitted, obj: ObjectId) -> bool:
        """Have the process run the call that `obj` is the result of, by itself; False when it goes by the node, where
        the caller of this waits for it."""
        if not callee.busy.acquire(blocking=False):
            return False
        try:
            if callee.is_open and callee.actor is None:
                self._look_whether_shut(callee)
            is_open = callee.is_open and callee.is_quiet
            if (is_open or self._opens(callee)) and lone[1].template_id in callee.known:
                return self._send(callee, lone, obj)
            self._note(callee, lone, obj)
            return False
        finally:
            callee.busy.release()

    def ended(self, callee: Callee, lone: Submitted) -> None:
        """A call that went by the node has been waited for."""
        if callee.lone is lone[1]:
            callee.is_quiet = True
            if callee.actor is not None:
                callee.known.add(lone[1].template_id)

    def shut(self, actor: ObjectId) -> None:
        """What is called from now on is for the actor as the node makes it: its process is about to be ended."""
        callee = self._callees.get(actor)
        if callee is not None:
            callee.shut()

    def close(self) -> None:
        """The engine is closed."""
        for callee in self._callees.values():
            callee.close()
        for line in self._arriving:
            line.close()
        if self._listener is not None:
            self._listener.close()
            with contextlib.suppress(OSError):
                os.unlink(self._address)

    # -- opening

    def _note(self, callee: Callee, lone: Submitted, obj: ObjectId) -> None:
        """One call more that goes by the node; perhaps the one with which it is worth asking."""
        channel = self._engine.channel
        if channel.on_leaving is None:
            channel.on_leaving = self._on_leaving
        callee.is_open = False
        callee.lone = lone[1]
        callee.is_quiet = False
        callee.streak += 1
        if callee.ticket:
            callee.waited += 1
            if callee.actor is None or callee.waited > ANSWERED_WITHIN:
                callee.rest()
        elif callee.streak >= (self._after if callee.line is None else 1) and self._listens():
            # Not to be guessed: who says it is the process that the node has told.
            callee.ticket, callee.waited = int.from_bytes(os.urandom(7), "big") + 1, 0
            last = producer_of(obj)
            channel.keep(DirectLineRequested(callee.ticket, callee.actor, last, self._address, callee.number))

    def _listens(self) -> bool:
        """Whether others can connect to us."""
        if self._listener is None:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                folder = os.path.dirname(self._engine.channel.peer_address)
                self._address = os.path.join(folder, f"driver-{self._engine.client_id}.sock")
                listener.bind(self._address)
                listener.listen(LINES_MAX)
            except OSError:
                listener.close()
                self._after = 0
                self._kinds.clear()
                return False
            listener.setblocking(False)
            self._listener = listener
        return True

    def _opens(self, callee: Callee) -> bool:
        """Whether the answer is there that was asked for, and nothing is under way."""
        if not callee.ticket or not callee.is_quiet:
            return False
        if callee.line is not None:
            self._look_at(callee.line)
        # A new process of the actor's connects anew, and so may a worker: it need not be the one of before.
        if not callee.is_open and self._looking.acquire(blocking=False):
            try:
                self._accept()
                self._look_at_arriving()
            finally:
                self._looking.release()
        if callee.line is not None and callee.line.is_closed:
            callee.line.close()
            callee.line = None
            callee.is_open = False
        return callee.is_open

    def _look_whether_shut(self, callee: Callee) -> None:
        """The worker's word that it is not ours any more comes when nobody waits for it."""
        line = callee.line
        assert line is not None, "it is open"
        if line.poll.poll(0):
            self._look_at(line)
            if line.is_closed:
                callee.close()

    def _accept(self) -> None:
        assert self._listener is not None, "it was asked for"
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(True)
                self._arriving.append(DirectLine(connection, self._engine.config.frame_bytes_max))

    def _look_at_arriving(self) -> None:
        for line in list(self._arriving):
            has_said = self._look_at(line)
            if has_said or line.is_closed:
                self._arriving.remove(line)
                if not any(callee.line is line for callee in list(self._callees.values())):
                    line.close()  # nobody wants it any more

    def _look_at(self, line: DirectLine) -> bool:
        """Whether it says which line it is; if so, and nothing was called by the node since it was asked for, it may be
        used."""
        channel, is_known = self._engine.channel, False
        for message in line.read():
            if isinstance(message, LineOpened):
                is_known = True
                with channel.shields.here(), channel.outgoing.sending:  # else what leaves now may have shut it
                    for callee in list(self._callees.values()):
                        if callee.ticket == message.ticket:
                            callee.open(line, message)
            elif isinstance(message, LineShut):
                for callee in list(self._callees.values()):
                    if callee.is_open and callee.opened == message.ticket:
                        callee.rest()
        return is_known

    def _on_leaving(self, facts: list[Fact]) -> None:
        """What goes to the node: a call that is not waited for alone shuts the line of its actor, and anything
        submitted gives back the workers that are kept for us."""
        callees = [
            callee for callee in list(self._callees.values()) if callee.is_open or callee.ticket or callee.streak > 0
        ]
        if not callees:
            return
        for fact in facts:
            if type(fact) is TasksSubmitted:
                for callee in callees:
                    if callee.actor is None:
                        callee.leaves(fact.tasks[0] if len(fact.tasks) == 1 else None)
                for spec in fact.tasks:
                    if self._kinds.get(spec.template_id, 1) <= METHOD and spec.contained:
                        called = self._callees.get(spec.contained[0])
                        if called is not None:
                            called.leaves(spec)

    def _drop_one(self) -> None:
        """Forget the one that has been there longest of those that are not being called."""
        for actor, callee in self._callees.items():
            if callee.busy.acquire(blocking=False):
                del self._callees[actor]
                callee.close()
                callee.busy.release()
                return

    # -- calling

    def _send(self, callee: Callee, lone: Submitted, obj: ObjectId) -> bool:
        line, channel = callee.line, self._engine.channel
        assert line is not None, "it is open"
        parent_id, spec = lone
        call = DirectCall(self._engine.client_id, callee.worker_id, parent_id, time.time(), producer_of(obj), spec)
        sent = CallSent(call, callee.opened if callee.actor is None else 0)
        with channel.shields.here() as shield:
            try:
                if not channel.outgoing.divert(lone, call, lambda: callee.is_open, lambda: line.send(sent)):
                    callee.shut()  # it has gone to the node, perhaps when we did not know yet that the line is open
                    return False
            except OSError:
                callee.close()
                return False
            channel.note_wait()
            try:
                end = self._wait(callee, line, sent, shield)
            except BaseException:
                self._hand_over(callee, line, call)
                raise
            if isinstance(end, LineShut):
                callee.lone, callee.is_quiet = call.spec, False
                channel.outgoing.recall(lone, call)
                return False
            if end is None or not channel.outgoing.withdraw(call):
                self._hand_over(callee, line, call)
                return False
            self._take(callee, call, end, obj)
        return True

    def _wait(self, callee: Callee, line: DirectLine, sent: CallSent, shield: Shield) -> TaskFinished | LineShut | None:
        """The end of the call; None when it is the node's, `LineShut` when it is nobody's."""
        call = sent.call
        deadline = time.monotonic() + HAND_OVER_S
        poll = line.poll
        if CAN_STAY_AWAKE:
            self._vigil.look(lambda: shield.wait(poll, 0), AWAKE_S)
        while (rest_s := deadline - time.monotonic()) > 0 and shield.wait(poll, rest_s * 1000):
            answers: list[TaskFinished | LineShut | None] = []
            for message in line.read():
                if isinstance(message, CallEnded) and message.end.task_id == call.task_id:
                    answers.append(message.end)
                elif isinstance(message, NodeTold) and message.task_id == call.task_id:
                    answers.append(None)
                elif isinstance(message, LineShut) and message.ticket == sent.ticket:
                    answers.append(message)
                    callee.rest()
            if answers:
                return answers[0]
            if line.is_closed:
                return None
        return None

    def _hand_over(self, callee: Callee, line: DirectLine, call: DirectCall) -> None:
        """The call ends by the node, which is told with whatever is sent next: we are about to wait."""
        callee.rest()
        callee.lone, callee.is_quiet = call.spec, False
        if line.is_closed:
            callee.close()
            return
        try:
            line.send(NodeTold(call.task_id))
        except OSError:
            callee.close()

    def _take(self, callee: Callee, call: DirectCall, end: TaskFinished, obj: ObjectId) -> None:
        channel = self._engine.channel
        callee.pause = PAUSE_MIN
        channel.outgoing.calls.append(msgspec.structs.replace(call, end=end))
        self._engine.objects.on_ready(ObjectsReady([(obj, end.values[0])]))
        if len(channel.outgoing.calls) >= CALLS_MAX:
            channel.flush()
        elif channel.is_away:
            channel.nudge()
