"""The search finds the fewest bytes: compared with trying everything, on small programs."""

import functools
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.evaluate import Dtypes
from optgen.ir.node import walk
from optgen.schedule.graph import is_effect, is_large, is_statistic, itemsize, same_value
from optgen.schedule.levels import levels
from optgen.schedule.search import best_stages
from tests.schedule.strategies import chained_programs, leaf_programs

DTYPES = [Dtypes(), Dtypes("bfloat16", "bfloat16"), Dtypes(grad="bfloat16")]


def bytes_of(stages, dtypes):
    """Bytes that the chosen stages move for each element."""
    moved = 0
    for stage in stages:
        moved += sum(array.bytes for array in stage.reads)
        written = [*stage.temporaries, *(n for n in stage.targets if is_effect(n))]
        moved += sum(itemsize(n.type.dtype, dtypes) for n in written)
    return moved


class TryEverything:
    """Every stage for every statistic and store, every pair of temporaries, every set of reads."""

    def __init__(self, program, dtypes):
        self.program, self.dtypes = program, dtypes
        self.first = levels(program).first
        self.stages = self.first[-1]
        self.nodes = list(dict.fromkeys(n for phase in program.phases for n in phase.nodes()))
        self.large = [n for n in self.nodes if is_large(n) and not is_effect(n)]
        self.statistics = [n for n in self.nodes if is_statistic(n)]
        self.stores = [n for n in program.update.outputs if is_large(n)]
        # What is repeated, or a load that is widened, is never better kept than what it is of.
        self.keepable = [n for n in self.large if n.op not in ("cast", "broadcast")]
        self.keepable += [n for n in self.large if n.type.dtype == "bfloat16" and n.op == "cast"]
        self.cheapest = functools.cache(self._cheapest)

    def size(self, n):
        return itemsize(n.type.dtype, self.dtypes)

    def fewest(self):
        targets = [*self.statistics, *self.stores]
        early = range(self.stages - 1)
        kept = [[]]
        if self.stages > 1:
            pairs = itertools.product(itertools.combinations(self.keepable, 2), early, early)
            kept += [[(n, s)] for n in self.keepable for s in early]
            kept += [[(a, s), (b, t)] for (a, b), s, t in pairs]
        everywhere = itertools.product(range(self.stages), repeat=len(targets))
        places = [dict(zip(targets, stages, strict=True)) for stages in everywhere]
        return min(
            self.cost(place, dict(temporaries))
            for place in filter(self.in_order, places)
            for temporaries in kept
        )

    def in_order(self, place):
        """True where every target, and every phase, has the statistics that it depends on."""
        needed = [(target, stage) for target, stage in place.items()]
        for phase, end in zip(self.program.partials, self.first[1:], strict=False):
            needed += [(emit, end) for emit in phase.outputs]
        return all(
            place[n] < stage
            for target, stage in needed
            for n in walk(target.args)
            if is_statistic(n)
        )

    def cost(self, place, kept):
        written = sum(map(self.size, [*self.stores, *kept]))
        return written + sum(self.reads(s, place, kept) for s in range(self.stages))

    def reads(self, stage, place, kept):
        """The cheapest reads of a stage, infinite where nothing is enough."""
        before = {n for n, s in (place | kept).items() if s < stage}
        wanted = [n.args[0] for n, s in place.items() if s == stage]
        wanted += [n for n, s in kept.items() if s == stage]
        overwritten = {n.attr for n in self.stores if n in before}
        arrays = [n for n in self.large if n.op == "load" and n.attr not in overwritten]
        arrays += [n for n in (*self.stores, *kept) if n in before]
        known = {n for n in self.statistics if n in before}
        for phase, begins in zip(self.program.phases, self.first, strict=False):
            known |= {n for n in phase.find("scalar") if begins <= stage}
        return self.cheapest(frozenset(wanted), frozenset(arrays), frozenset(known))

    def _cheapest(self, wanted, arrays, known):
        return min(
            (
                sum(map(self.size, read))
                for count in range(len(arrays) + 1)
                for read in itertools.combinations(arrays, count)
                if self.enough(wanted, read, known)
            ),
            default=float("inf"),
        )

    def enough(self, wanted, read, known):
        held = set(known)
        for n in read:
            held |= set(same_value(n.args[0], self.dtypes)) if is_effect(n) else {n}
        for n in self.nodes:
            source = is_statistic(n) or n.op == "scalar" or (n.op == "load" and is_large(n))
            if not source and all(arg in held for arg in n.args):
                held.add(n)
        return wanted <= held


@settings(max_examples=25)
@given(leaf_programs(size=4, slots=("a", "b"), phases=1, reductions=3), st.sampled_from(DTYPES))
def test_nothing_moves_fewer_bytes(program, dtypes):
    compare(program, dtypes)


@settings(max_examples=25)
@given(chained_programs(stages=2), st.sampled_from(DTYPES))
def test_nothing_moves_fewer_bytes_where_reductions_depend_on_each_other(program, dtypes):
    compare(program, dtypes)


def compare(program, dtypes):
    chosen = bytes_of(best_stages(levels(program), dtypes), dtypes)
    assert chosen == TryEverything(program, dtypes).fewest()
