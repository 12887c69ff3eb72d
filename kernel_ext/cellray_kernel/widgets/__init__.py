"""Widgets of the notebook: live pictures of what runs."""

from cellray_kernel.widgets.graph import GraphWidget, StillGraph

__all__ = ["GraphWidget", "StillGraph"]
