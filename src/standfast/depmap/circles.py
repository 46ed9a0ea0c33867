"""Circles in who needs whom: the largest sets of nodes each of which hangs, by however many steps, on each other one.

Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972): one walk, here without recursion.
"""

from collections.abc import Collection, Iterator, Mapping


def circles(needs: Mapping[str, Collection[str]]) -> Iterator[set[str]]:
    """Yield each circle among nodes that need those that `needs` has for them; what is alone is none."""
    return (group for group in groups(needs) if len(group) > 1)


def groups(needs: Mapping[str, Collection[str]]) -> Iterator[set[str]]:
    """Yield each circle, and each node in none as a set of its own, after those that it needs."""
    number: dict[str, int] = {}  # of each node as it was first come to
    lowest: dict[str, int] = {}  # the first one that is still open and can be come to from it
    path: list[str] = []
    is_open: set[str] = set()
    for start in needs:
        todo = [(start, iter(needs[start]))] if start not in number else []
        while todo:
            node, parts = todo[-1]
            if node not in number:
                number[node] = lowest[node] = len(number)
                path.append(node)
                is_open.add(node)
            for part in parts:
                if part not in number:
                    todo.append((part, iter(needs.get(part, ()))))
                    break
                if part in is_open:
                    lowest[node] = min(lowest[node], number[part])
            else:
                todo.pop()
                if todo:
                    above = todo[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == number[node]:
                    circle = {node}
                    while (last := path.pop()) != node:
                        circle.add(last)
                    is_open -= circle
                    yield circle
