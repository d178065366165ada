"""How deep menus stand inside one another; cycles are allowed and count each of their members once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def deepest(menus: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each menu, how many menus stand on the longest way down from it, itself included.

    `menus` maps a name to the names of the menus it shows. Menus that lead back to each other count as one step of as
    many menus as there are in the cycle.
    """
    group_of, sizes = _groups(menus)
    depth: dict[int, int] = {}
    for group in range(len(sizes)):  # a group is numbered after all it leads to
        depth[group] = sizes[group]
    below: dict[int, set[int]] = {group: set() for group in range(len(sizes))}
    for name, shown in menus.items():
        for other in shown:
            if other in group_of and group_of[other] != group_of[name]:
                below[group_of[name]].add(group_of[other])
    for group in range(len(sizes)):
        if below[group]:
            depth[group] += max(depth[lower] for lower in below[group])
    return {name: depth[group_of[name]] for name in menus}


def _groups(menus: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], list[int]]:
    """Strongly connected groups (Tarjan, without recursion): the group of each name and the size of each group."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: list[str] = []
    group_of: dict[str, int] = {}
    sizes: list[int] = []
    for root in menus:
        if root in number:
            continue
        path = [(root, iter(menus[root]))]
        number[root] = lowest[root] = len(number)
        waiting.append(root)
        while path:
            name, shown = path[-1]
            step = next((other for other in shown if other in menus), None)
            if step is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    size = 0
                    while True:
                        member = waiting.pop()
                        group_of[member] = len(sizes)
                        size += 1
                        if member == name:
                            break
                    sizes.append(size)
            elif step not in number:
                number[step] = lowest[step] = len(number)
                waiting.append(step)
                path.append((step, iter(menus[step])))
            elif step not in group_of:
                lowest[name] = min(lowest[name], number[step])
    return group_of, sizes
