"""Running the past again: single tasks, states of actors, and what depends on a change."""

from cellray.replaying.actor import ActorState, actor_at
from cellray.replaying.plan import FunctionCost, RerunPlan, RerunStep
from cellray.replaying.rerun import rerun
from cellray.replaying.task import replay

__all__ = ["ActorState", "FunctionCost", "RerunPlan", "RerunStep", "actor_at", "replay", "rerun"]
