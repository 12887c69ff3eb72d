"""The loads that contenders are measured with, in the order in which they run. Standard library and NumPy only."""

from __future__ import annotations

from tests.bench.contender import Part
from tests.bench.loads import actors, fairness, mixed, objects, tasks
from tests.bench.loads.memory import memory

PARTS: tuple[tuple[str, Part], ...] = (
    ("memory", memory),
    ("tasks", tasks.round_trips),
    ("tasks", tasks.pipelined),
    ("tasks", tasks.batches),
    ("nested", tasks.nested),
    ("actors", actors.plain),
    ("async_actors", actors.asynchronous),
    ("pairs", actors.pairs),
    ("objects", objects.small),
    ("objects", objects.arrays),
    ("wait", tasks.wait),
    ("references", objects.references),
    ("pool", tasks.pool_map),
    ("mixed", mixed.utilisation),
    ("mixed", mixed.behind_a_long_one),
    ("fairness", fairness.two_drivers),
)
