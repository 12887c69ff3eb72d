"""Amounts of resources as users give them."""

from __future__ import annotations

import math
from typing import Any

RESERVED_RESOURCES = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
"""Resources with an option of their own: Ray refuses them in `resources` as well."""


def is_amount(value: Any) -> bool:
    """Whether the value is a finite number of at least 0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def check_resources(resources: Any) -> None:
    """Custom resources: a dict of names and amounts."""
    if not isinstance(resources, dict) or not all(isinstance(key, str) for key in resources):
        raise TypeError(f"resources={resources!r}: give a dict of names and amounts, such as {{'accelerator': 1}}")
    for key, amount in resources.items():
        if key in RESERVED_RESOURCES:
            raise ValueError(f"use the option {RESERVED_RESOURCES[key]!r} instead of {key!r} in resources")
        if not is_amount(amount):
            raise ValueError(f"resources[{key!r}]={amount!r}: give a number of at least 0")
