"""The pure cores: facts in, commands out."""

from cellray.core.node_scheduler import NodeScheduler

__all__ = ["NodeScheduler"]
