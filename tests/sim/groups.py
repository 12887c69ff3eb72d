"""Placement groups of a virtual driver: reserved, used and removed at random, the last ones when all come to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.ids import FunctionHash, GroupId, child_task_id, children_prefix, return_object_id
from cellray.model import fact as f
from cellray.model.placement import GroupOptions, Placement, sum_of
from cellray.model.task import TaskSpec, make_resources, make_template

from tests.sim.programs import FUNCTION

if TYPE_CHECKING:
    from tests.sim.clients import VirtualDriver

BUNDLES = (
    (make_resources({"CPU": 1}),),
    (make_resources({"CPU": 1}), make_resources({"CPU": 1, "GPU": 0.5})),
    (make_resources({"CPU": 0.5, "GPU": 1}),),
    (make_resources({"GPU": 9}),),
)
TASK = make_resources({"CPU": 0.5})
GROUPS_MAX = 2


class Reservations:
    """What one driver has reserved and not removed."""

    def __init__(self, driver: VirtualDriver) -> None:
        self._driver = driver
        self._groups: list[GroupId] = []

    def act(self) -> None:
        """Reserve one more, remove one, or run something in one."""
        random = self._driver.world.random
        if not self._groups or (len(self._groups) < GROUPS_MAX and random.random() < 0.2):
            self._reserve(GroupOptions(random.choice(BUNDLES)))
        elif random.random() < 0.3:
            self._remove(self._groups.pop(random.randrange(len(self._groups))))
        else:
            self._use(random.choice(self._groups), random.choice((-1, 0)))

    def remove_all(self) -> None:
        """Nothing must wait for what these hold."""
        while self._groups:
            self._remove(self._groups.pop())

    def _reserve(self, group: GroupOptions) -> None:
        driver = self._driver
        template = make_template(FunctionHash(b""), "group", sum_of(group.bundles), max_retries=0, group=group)
        task_id = child_task_id(children_prefix(driver.root), driver.index)
        spec = TaskSpec(driver.index, template.template_id, b"handle")
        driver.index += 1
        driver.world.note_submission(task_id, spec, 0, template, driver.client_id)
        driver.held[return_object_id(task_id, 0)] = None
        driver.tell(f.TemplateRegistered(template, driver.world.at))
        driver.tell(f.TasksSubmitted(driver.root, driver.world.at, [spec]))
        self._groups.append(GroupId(task_id))

    def _remove(self, group_id: GroupId) -> None:
        self._driver.tell(f.GroupRemoved(group_id, self._driver.world.at))

    def _use(self, group_id: GroupId, bundle: int) -> None:
        driver = self._driver
        template = make_template(FUNCTION, "in group", TASK, placement=Placement(group_id, bundle))
        driver.tell(f.TemplateRegistered(template, driver.world.at))
        specs = [TaskSpec(driver.index + place, template.template_id) for place in range(3)]
        driver.index += len(specs)
        for spec in specs:
            task_id = child_task_id(children_prefix(driver.root), spec.index)
            driver.submitted.append(task_id)
            driver.held[return_object_id(task_id, 0)] = None
            driver.world.note_submission(task_id, spec, 0, template, driver.client_id)
        driver.tell(f.TasksSubmitted(driver.root, driver.world.at, specs))
