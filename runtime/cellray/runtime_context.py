"""The runtime context, where Ray has it."""

from cellray.api.runtime_context import RuntimeContext, get_runtime_context

__all__ = ["RuntimeContext", "get_runtime_context"]
