"""What tasks refer to: the drivers of a session and the functions and templates they registered."""

from __future__ import annotations

from cellray.ids import FunctionHash, JobId, TaskId, TemplateId, children_prefix
from cellray.model.fact import JobStarted
from cellray.model.placement import resources_in, sum_of
from cellray.model.task import Function, Resources, TaskTemplate
from cellray.observe.records import FunctionRecord, JobRecord, TaskRecord, TemplateRecord

UNKNOWN_FUNCTION = "unknown"
"""Name of a function whose registration the log does not hold."""


class Registry:
    """Jobs, functions and templates by id. Registering one again changes nothing."""

    def __init__(self) -> None:
        self.jobs: dict[JobId, JobRecord] = {}
        self.drivers: dict[TaskId, JobRecord] = {}
        self.functions: dict[FunctionHash, FunctionRecord] = {}
        self.templates: dict[TemplateId, TemplateRecord] = {}

    def add_job(self, fact: JobStarted, node_id: str) -> None:
        """A driver connected, perhaps again."""
        job = self.jobs.get(fact.job_id)
        if job is not None:
            job.client_id, job.ended_at, job.end_reason = fact.client_id, 0.0, ""
            return
        root = fact.root_task_id
        self.jobs[fact.job_id] = self.drivers[root] = JobRecord(
            job_id=fact.job_id,
            client_id=fact.client_id,
            root_task_id=root,
            prefix=children_prefix(root),
            node_id=node_id,
            started_at=fact.at,
            pid=fact.pid,
            entrypoint=fact.entrypoint,
        )

    def end_jobs(self, at: float, reason: str) -> None:
        """No driver is left."""
        for job in self.jobs.values():
            if not job.ended_at:
                job.ended_at, job.end_reason = at, reason

    def add_function(self, function: Function) -> None:
        """Keep a function without its pickle."""
        key = function.function_hash
        if key not in self.functions:
            self.functions[key] = FunctionRecord(key, function.name, function.module, function.source, function.cell)

    def add_template(self, template: TaskTemplate) -> None:
        """Keep what views show of a template."""
        key = template.template_id
        if key not in self.templates:
            function = self.functions.get(template.function_hash)
            name = (function.name if function is not None else "") or template.name
            if template.method or template.actor is not None:
                name = f"{name.rpartition('<locals>.')[2]}.{template.method or '__init__'}"
            self.templates[key] = TemplateRecord(
                template_id=key,
                function_hash=template.function_hash,
                function=name,
                name=template.name,
                cell=template.cell,
                num_returns=template.num_returns,
                creates=template.actor is not None,
                calls=bool(template.method),
                group=template.concurrency_group,
                slots=template.actor.slots if template.actor is not None and template.actor.is_concurrent else None,
                resources=_demand(template),
                streams=template.stream is not None,
                recorded=template.recorded,
                recovers=template.actor is not None and template.actor.recovers,
                bundles=template.group.bundles if template.group is not None else (),
            )

    def template(self, key: TemplateId) -> TemplateRecord:
        """The template; a blank one when the log began after its registration."""
        template = self.templates.get(key)
        if template is None:
            template = TemplateRecord(key, FunctionHash(b""), UNKNOWN_FUNCTION, UNKNOWN_FUNCTION, None, 1)
            self.templates[key] = template
        return template

    def children_of(self, parent_id: TaskId, parent: TaskRecord | None) -> tuple[bytes, JobRecord | None]:
        """With what the ids of a parent's children begin, and whose job they are."""
        if parent is not None:
            if not parent.prefix:
                parent.prefix = children_prefix(parent_id)
            return parent.prefix, parent.job
        job = self.drivers.get(parent_id)
        return (job.prefix, job) if job is not None else (children_prefix(parent_id), None)


def _demand(template: TaskTemplate) -> Resources:
    """What a task takes of the node: in a placement group of what the node has for the group."""
    if template.group is not None:
        return sum_of(template.group.bundles)
    if template.placement is not None and template.placement.group_id:
        return resources_in(template.resources, template.placement)
    return template.resources
