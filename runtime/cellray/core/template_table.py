"""What tasks are instances of: templates, the functions that they name, a queue for each shape of what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.core import failures
from cellray.core.ready_queue import ReadyQueue
from cellray.core.resources import ResourcePool
from cellray.core.tasks import Refusal, Template
from cellray.ids import FunctionHash, TemplateId
from cellray.model.task import Function, Resources, TaskSpec, TaskTemplate

if TYPE_CHECKING:
    from cellray.core.actors import Actors
    from cellray.core.placement_groups import PlacementGroups

Shape = tuple[Resources, str, bool, bool]
"""What is asked for, in which environment, and whether by creations of actors or of placement groups."""


class TemplateTable:
    """All content-addressed: the same again changes nothing."""

    actors: Actors
    groups: PlacementGroups
    """Set by whoever puts the core's parts together."""

    def __init__(self, pool: ResourcePool, node_id: str) -> None:
        self.functions: dict[FunctionHash, Function] = {}
        self.templates: dict[TemplateId, Template] = {}
        self.queues: dict[Shape, ReadyQueue] = {}
        self.environments: dict[str, None] = {}
        self.usable: dict[TemplateId, Template] = {}
        """Those of which `of` has found that everything is there."""
        self._pool = pool
        self._node_id = node_id

    def register_function(self, function: Function) -> bool:
        """Add to the function table; whether it was not there yet."""
        if function.function_hash in self.functions:
            return False
        self.functions[function.function_hash] = function
        return True

    def register_template(self, spec: TaskTemplate) -> None:
        """Add a template."""
        if spec.template_id not in self.templates:
            self.templates[spec.template_id] = self._make_template(spec)

    def of(self, spec: TaskSpec) -> Template:
        """The task's template; for one that nobody registered, a stand-in whose tasks fail."""
        template = self.templates.get(spec.template_id)
        if template is None:
            unknown = TaskTemplate(spec.template_id, FunctionHash(b""), "a task", ())
            return _unusable(unknown, f"Template {spec.template_id} was used before it was registered.")
        content = template.spec.function_hash
        if template.refusal is None and content not in self.functions and template.spec.group is None:
            text = f"Function {content.hex()} of {template.spec.name} was used before it was registered."
            return _unusable(template.spec, text)
        self.usable[spec.template_id] = template
        return template

    def drop_queue(self, queue: ReadyQueue) -> None:
        """Nothing of this shape will be submitted any more."""
        shape = (queue.demand, queue.environment, queue.for_actors, queue.for_groups)
        if self.queues.get(shape) is queue:
            del self.queues[shape]

    def _make_template(self, spec: TaskTemplate) -> Template:
        demand, placement, infeasible = spec.resources, spec.placement, ""
        refusal: Refusal | None = None
        if spec.method:
            return Template(spec, self.actors.calls)
        if spec.group is not None:
            infeasible = self.groups.infeasible(spec)
        elif placement is not None and placement.group_id:
            demand, refusal = self.groups.demand_of(spec)
        elif placement is not None and placement.node_id not in ("", self._node_id) and not placement.soft:
            infeasible = failures.no_such_node_text(spec.name, placement.node_id, self._node_id)
        else:
            infeasible = failures.infeasible_text(spec.name, spec.resources, self._pool)
        if infeasible:
            refusal = Refusal(infeasible, failures.unschedulable(infeasible))
        if refusal is not None:
            return Template(spec, ReadyQueue(demand), refusal)
        template = Template(spec, self._queue(spec, demand))
        self.groups.enroll(template)
        return template

    def _queue(self, spec: TaskTemplate, demand: Resources) -> ReadyQueue:
        """The queue of the template's shape."""
        is_actor, is_group = spec.actor is not None, spec.group is not None
        shape = (demand, spec.environment, is_actor, is_group)
        queue = self.queues.get(shape)
        if queue is None:
            if not is_group:  # which runs nowhere
                self.environments.setdefault(spec.environment)
            queue = ReadyQueue(demand, spec.environment, for_actors=is_actor, for_groups=is_group)
            self.queues[shape] = queue
        return queue


def _unusable(spec: TaskTemplate, text: str) -> Template:
    """A template whose tasks fail at once because of a bug on the submitter's side of ours."""
    return Template(spec, ReadyQueue(spec.resources), Refusal(text, failures.internal(text)))
