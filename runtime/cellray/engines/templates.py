"""From options as the API resolves them to the template that the node knows."""

from __future__ import annotations

from cellray.ids import FunctionHash
from cellray.model.task import TaskTemplate, make_template
from cellray.ports import SubmitOptions


def template_of(function_hash: FunctionHash, options: SubmitOptions) -> TaskTemplate:
    """Its id is the hash of everything else in it."""
    return make_template(
        function_hash,
        options.name,
        options.resources,
        num_returns=options.num_returns,
        max_retries=options.max_retries,
        retry_exceptions=options.retry_exceptions,
        cell=options.cell,
        actor=options.actor,
        method=options.method,
        environment=options.environment,
        placement=options.placement,
        concurrency_group=options.concurrency_group,
        retry_only=options.retry_only,
        stream=options.stream,
        max_calls=options.max_calls,
        recorded=options.recorded,
    )


def options_of(template: TaskTemplate) -> SubmitOptions:
    """Back from `template_of`; how many calls of an actor may be pending its template does not say."""
    return SubmitOptions(
        template.name,
        template.resources,
        template.num_returns,
        template.max_retries,
        template.retry_exceptions,
        template.cell,
        actor=template.actor,
        method=template.method,
        concurrency_group=template.concurrency_group,
        max_pending_calls=template.actor.max_pending_calls if template.actor is not None else -1,
        environment=template.environment,
        placement=template.placement,
        retry_only=template.retry_only,
        stream=template.stream,
        max_calls=template.max_calls,
        recorded=template.recorded,
    )
