"""Who builds on whom: papers laid out by year (across) and topic (down), as a static SVG."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from repro.site.library import Library

COLUMN, ROW, PAD, LEFT, TOP = 158, 22, 12, 206, 44
NODE_WIDTH, NODE_HEIGHT = 138, 18
# Last year of each column; years with few papers share one.
COLUMNS = {2012: "to 2012", 2014: "2013–14", 2015: "2015", 2016: "2016", 2017: "2017"}
LAST = "since 2018"


@dataclass(frozen=True)
class Node:
    id: str
    title: str
    label: str
    x: int
    y: int
    status: str


@dataclass(frozen=True)
class Edge:
    """From the earlier paper to the one that builds on it; path: of the SVG."""

    earlier: str
    later: str
    path: str


@dataclass(frozen=True)
class Lane:
    """One topic. name: without the part that its section shares with others."""

    name: str
    section: str
    y: int
    height: int
    odd: bool


@dataclass(frozen=True)
class Graph:
    width: int
    height: int
    years: list[tuple[str, int]]  # label, x
    lanes: list[Lane]
    nodes: list[Node]
    edges: list[Edge]


def layout(library: Library) -> Graph:
    """Papers of one topic and column stand below each other."""
    papers = library.papers.values()
    years = [(label, LEFT + i * COLUMN) for i, label in enumerate([*COLUMNS.values(), LAST])]
    nodes: dict[str, Node] = {}
    lanes: list[Lane] = []
    y = TOP
    for index, (section, members) in enumerate(library.topics.items()):
        rows: defaultdict[int, int] = defaultdict(int)
        for paper in members:
            year = paper.listed.year
            column = next((i for i, last in enumerate(COLUMNS) if year <= last), len(COLUMNS))
            nodes[paper.id] = Node(
                paper.id,
                paper.listed.title,
                paper.id.rpartition("-")[0],
                years[column][1],
                y + PAD // 2 + rows[column] * ROW,
                paper.status,
            )
            rows[column] += 1
        height = max(rows.values()) * ROW + PAD
        lanes.append(Lane(section.rpartition(" / ")[2], section, y, height, index % 2 == 1))
        y += height
    edges = [
        Edge(earlier, paper.id, _curve(nodes[earlier], nodes[paper.id]))
        for paper in papers
        for earlier in (paper.card.builds_on if paper.card else [])
        if earlier in nodes
    ]
    width = LEFT + len(years) * COLUMN
    return Graph(width, y + PAD, years, lanes, list(nodes.values()), edges)


def _curve(a: Node, b: Node) -> str:
    """From the right side of one node to the left of the other; within a year, round the left."""
    middle = NODE_HEIGHT // 2
    if a.x < b.x:
        x1, x2 = a.x + NODE_WIDTH, b.x
        bend = max(24, (x2 - x1) // 2)
        start, end = a.y + middle, b.y + middle
        return f"M{x1} {start}C{x1 + bend} {start} {x2 - bend} {end} {x2} {end}"
    x, start, end = a.x, a.y + middle, b.y + middle
    return f"M{x} {start}C{x - 20} {start} {b.x - 20} {end} {b.x} {end}"
