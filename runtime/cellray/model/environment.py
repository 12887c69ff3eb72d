"""Runtime environments: what a worker sets up before it loads code, and how those of parent and child combine.

Workers take on one environment for their whole life. Two are the same if their texts are.
"""

from __future__ import annotations

import msgspec


class Environment(msgspec.Struct, frozen=True, omit_defaults=True):
    """Variables to set, the folder to work in, and places to import from besides it. All paths are absolute."""

    env_vars: dict[str, str] = {}
    working_dir: str = ""
    py_modules: tuple[str, ...] = ()

    def text(self) -> str:
        """The environment as it travels and is compared; empty for one that asks for nothing."""
        return msgspec.json.encode(self, order="deterministic").decode() if self != NOTHING else ""

    def over(self, parent: Environment) -> Environment:
        """This one for a task whose parent runs in another: what it says counts, variables one by one (Ray's rule)."""
        return Environment(
            {**parent.env_vars, **self.env_vars},
            self.working_dir or parent.working_dir,
            self.py_modules or parent.py_modules,
        )


NOTHING = Environment()


def parse_environment(text: str) -> Environment:
    """Back from `Environment.text`."""
    return msgspec.json.decode(text, type=Environment) if text else NOTHING
