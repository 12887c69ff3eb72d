"""The words of transcripts for where tasks run: environments, GPUs, placement groups, nodes."""

from __future__ import annotations

from collections.abc import Iterator

from cellray.ids import ClientId, FunctionHash, GroupId, TaskId, child_task_id, children_prefix
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.placement import GroupOptions, Placement, sum_of
from cellray.model.task import RESOURCE_UNITS, Function, TaskSpec, TaskTemplate, make_resources, make_template


class PlacementWords:
    """A part of `transcript.Interpreter`."""

    at: float
    clients: dict[str, ClientId]
    roots: dict[str, TaskId]
    tasks: dict[str, TaskId]
    templates: dict[str, TaskTemplate]
    names: dict[bytes, str]
    indices: dict[TaskId, int]

    def _on_places(self, name: str, words: list[str]) -> tuple[ClientId, list[f.Fact]]:
        """`d places f CPU=1 env=E group=g bundle=0 node=x soft=1 retries=0`: defines a function for a certain place."""
        options = dict(word.split("=") for word in words[1:])
        environment, group = options.pop("env", ""), options.pop("group", "")
        node, soft = options.pop("node", ""), bool(options.pop("soft", ""))
        bundle, retries = int(options.pop("bundle", "-1")), int(options.pop("retries", "3"))
        group_id = GroupId(self.tasks[group]) if group else GroupId(TaskId(b""))
        placement = Placement(group_id, bundle, False, node, soft) if group or node else None
        content = FunctionHash(words[0].encode().ljust(16, b"-"))
        template = make_template(
            content,
            words[0],
            make_resources({key: float(amount) for key, amount in options.items()}),
            max_retries=retries,
            environment=environment,
            placement=placement,
        )
        self.templates[words[0]] = template
        function = Function(content, words[0], "m", "", b"")
        return self.clients[name], [f.FunctionRegistered(function, self.at), f.TemplateRegistered(template, self.at)]

    def _on_reserves(self, name: str, words: list[str]) -> tuple[ClientId, list[f.Fact]]:
        """`d reserves g CPU=1 + CPU=1,GPU=1 strategy=PACK name=x detached=1`: a placement group of two bundles."""
        options = dict(word.split("=") for word in words[1:] if word.split("=")[0] in ("strategy", "name", "detached"))
        bundles = tuple(
            make_resources({key: float(amount) for key, amount in (pair.split("=") for pair in word.split(","))})
            for word in words[1:]
            if word != "+" and word.split("=")[0] not in options
        )
        group = GroupOptions(
            bundles, options.get("strategy", "PACK"), options.get("name", ""), "ns", bool(options.get("detached"))
        )
        template = make_template(FunctionHash(b""), group.name or words[0], sum_of(bundles), max_retries=0, group=group)
        parent = self.roots[name]
        index = self.indices.get(parent, 0)
        self.indices[parent] = index + 1
        task_id = child_task_id(children_prefix(parent), index)
        self.tasks[words[0]], self.names[task_id] = task_id, words[0]
        spec = TaskSpec(index, template.template_id, f"handle of {words[0]}".encode())
        facts: list[f.Fact] = [f.TemplateRegistered(template, self.at), f.TasksSubmitted(parent, self.at, [spec])]
        return self.clients[name], facts

    def _on_removes(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d removes g`."""
        return self.clients[name], f.GroupRemoved(GroupId(self.tasks[words[0]]), self.at)

    def _on_looks(self, name: str, words: list[str]) -> tuple[ClientId, f.Fact]:
        """`d looks`: what is free?"""
        return self.clients[name], f.NodeStateRequested(0)

    def _told_state(self, told: c.NodeStateTold) -> str:
        free = ", ".join(f"{units / RESOURCE_UNITS:g} {self._in_group(name)}" for name, units in told.state.available)
        groups = "".join(f"; {self.names[each.group_id]} is {each.state}" for each in told.state.groups)
        return f"free: {free}{groups}"

    def _in_group(self, name: str) -> str:
        for raw, known in self.names.items():
            name = name.replace(raw.hex(), known)
        return name


def shown_devices(devices: tuple[int, ...] | None) -> Iterator[str]:
    """What a worker is told of GPUs."""
    if devices is not None:
        yield f" on GPU {','.join(map(str, devices))}" if devices else " on no GPU"
