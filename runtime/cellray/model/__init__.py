"""The words of the runtime: tasks, objects, nodes, the facts that happened and the commands that follow."""
