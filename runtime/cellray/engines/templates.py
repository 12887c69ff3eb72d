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
