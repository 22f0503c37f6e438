"""How seeds are divided into stacks: groups that one worker process trains together.

The division depends on nothing but its arguments, so the same command gives the same stacks.
A stack that has a checkpoint keeps its seeds, whatever a later command asks for: the numbers of a
seed equal those of the same seed in another stack only to float tolerance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from repro.errors import ReproError
from repro.files import digest


@dataclass(frozen=True)
class Stack:
    """Seeds that one process trains, in the order of their tensors' axis 0."""

    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """The stack's folder: `0-2`, `7`, or for scattered seeds `5x3-1f0c9a2b`."""
        first, last = self.seeds[0], self.seeds[-1]
        if len(self.seeds) == 1:
            return str(first)
        # Evidence seeds lie up to 2**31 apart: the range is built only if it is as short.
        if last - first + 1 == len(self.seeds) and self.seeds == tuple(range(first, last + 1)):
            return f"{first}-{last}"
        return f"{first}x{len(self.seeds)}-{digest(list(self.seeds))[:8]}"


def divide(seeds: Sequence[int], workers: int, max_stack: int | None = None) -> list[Stack]:
    """Seeds in order, in as few stacks as keep all workers busy, of sizes that differ by one.

    Five seeds over two workers: 3 + 2. With `max_stack`, as many rounds of `workers` stacks as
    it takes: ten seeds, two workers, at most four a stack: 3 + 3 + 2 + 2.
    """
    if workers < 1:
        raise ReproError(f"--workers {workers}: expected at least 1")
    if not seeds:
        return []
    largest = min(max_stack or len(seeds), len(seeds))
    rounds = -(-len(seeds) // (workers * largest))
    count = min(rounds * workers, len(seeds))
    size, extra = divmod(len(seeds), count)
    stacks, start = [], 0
    for index in range(count):
        end = start + size + (index < extra)
        stacks.append(Stack(tuple(seeds[start:end])))
        start = end
    return stacks


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse an empty list, a seed given twice, a negative one."""
    if not seeds:
        raise ReproError("no seeds to run; give --seeds 5, or a list such as --seeds 0,1,2")
    seen: set[int] = set()
    for seed in seeds:
        if seed < 0:
            raise ReproError(f"seed {seed}: expected a number of at least 0")
        if seed in seen:
            raise ReproError(f"seed {seed} is given twice; name every seed once")
        seen.add(seed)


def remaining(
    seeds: Sequence[int],
    begun: Mapping[str, Sequence[int]],
    done: Collection[int],
    workers: int,
    max_stack: int | None = None,
) -> list[Stack]:
    """The stacks still to train for `seeds`.

    begun: unfinished stacks that have a checkpoint (name → seeds); they go on as they are, first.
    done: seeds that are finished or diverged; they are not trained again.
    """
    stacks = [Stack(tuple(members)) for members in begun.values() if set(members) & set(seeds)]
    taken = {seed for stack in stacks for seed in stack.seeds} | set(done)
    fresh = [seed for seed in seeds if seed not in taken]
    return stacks + divide(fresh, workers, max_stack)
