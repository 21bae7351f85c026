"""Who needs whom: unknown names and circles among jobs or services, and an order with each behind its needs."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, TypeVar

from farm.definition.finding import Finding
from farm.definition.hints import nearest
from farm.definition.tree import Loc
from farm.definition.values import shown

T = TypeVar("T")


def check(
    kind: Literal["job", "service"], needs: Mapping[str, tuple[Any, ...]], place: Callable[[str], Loc]
) -> Iterator[Finding]:
    """Give each need of an unknown one, and each circle; `place` says where one of them stands."""
    graph: dict[str, list[str]] = {}
    for name, written in needs.items():
        graph[name] = []
        for index, need in enumerate(written):
            if not isinstance(need, str):
                continue
            if need in needs:
                graph[name].append(need)
                continue
            hint = partial(_hint, kind, need, needs)
            lack: Literal["file", "job"] = "file" if kind == "job" else "job"
            yield Finding((*place(name), "needs", index), f'there is no {kind} "{shown(need)}"', hint, lack)
    yield from _circles(kind, needs, graph, place)


def _hint(kind: str, need: str, needs: Collection[str]) -> str:
    if kind == "job" and need == "build":
        return "every job comes after the build"
    close = nearest(need, needs)
    return f'did you mean "{close}"?' if close else f"known: {', '.join(shown(other) for other in needs)}"


def ordered(values: Mapping[str, T], needs: Mapping[str, tuple[str, ...]]) -> dict[str, T]:
    """Return the same values, each behind those that it needs, else in the order that they had."""
    return (
        {name: values[name] for name in TopologicalSorter(needs).static_order()} if any(needs.values()) else {**values}
    )


def _circles(
    kind: str, needs: Mapping[str, tuple[Any, ...]], graph: dict[str, list[str]], place: Callable[[str], Loc]
) -> Iterator[Finding]:
    for _ in graph:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            after, first = error.args[1][-2:]
            circle = " -> ".join(shown(name) for name in reversed(error.args[1]))
            message, hint = (
                f"these {kind}s wait for each other: {circle}",
                f'take "{shown(after)}" out of the needs of "{shown(first)}"',
            )
            if after == first:
                message, hint = f'the {kind} "{shown(first)}" waits for itself', "take it out of its needs"
            yield Finding((*place(first), "needs", needs[first].index(after)), message, hint)
            graph[first].remove(after)
        else:
            return
