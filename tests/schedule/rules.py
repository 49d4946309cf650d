"""Leaf programs written out by hand, as hoisting would leave them."""

from dataclasses import dataclass, field

from optgen.ir.build import Builder, broadcast, cast, const, effect
from optgen.ir.node import Node, node
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, REAL_SCALAR, Type
from optgen.schedule import LeafProgram


def scalar(name):
    return node("scalar", REAL_SCALAR, attr=name)


@dataclass
class Rule:
    """Writes a leaf program: arithmetic on nodes, and stores cast to what the slot is kept in."""

    rank: int | None = None
    mode: str = "step"
    stores: list[Node] = field(default_factory=list)

    def load(self, name, dtype=PARAM, axes=LEAF):
        return cast(node("load", Type(dtype, axes), attr=name), REAL)

    def gradient(self):
        return self.load("g", GRAD)

    def parameter(self):
        return self.load("p")

    def __call__(self, op, *args):
        nodes = [const(x) if isinstance(x, int | float) else x for x in args]
        return Builder(self.rank or 0).elementwise(op, *nodes)

    def blend(self, decay, old, new):
        """decay · old + (1 − decay) · new."""
        kept = self("mul", scalar(decay), old)
        return self("add", kept, self("mul", scalar(f"one_minus_{decay}"), new))

    def reduce(self, op, x, axes=LEAF):
        return Builder(self.rank or 0).reduce(op, x, axes)

    def sum_of_squares(self, x):
        return self.reduce("sum", self("mul", x, x))

    def mean(self, x, axes=LEAF):
        return self("div", self.reduce("sum", x, axes), node("extent", REAL_SCALAR, attr=axes))

    def rms(self, x):
        return self("sqrt", self.mean(self("mul", x, x)))

    def store(self, name, x, dtype=PARAM, axes=LEAF):
        x = cast(broadcast(x, axes), dtype)
        self.stores.append(effect("store", name, x))

    def result(self, update):
        """Ends the rule with what is added to p."""
        if self.mode == "step":
            self.store("p", self("add", self.parameter(), update))
        else:
            self.store("update", update, REAL)

    def program(self, name, *partials):
        update = Program(name, tuple(self.stores), self.rank)
        return LeafProgram(update, partials)

    def partial(self, key, x):
        return Program(f"{key}_partial", (effect("emit", key, x),), self.rank)


def adam_direction(rule, g, dtype=PARAM):
    """The bias-corrected mu / (sqrt(nu) + eps); stores both moments."""
    mu = rule.blend("b1", rule.load("mu", dtype), g)
    nu = rule.blend("b2", rule.load("nu", dtype), rule("mul", g, g))
    rule.store("mu", mu, dtype)
    rule.store("nu", nu, dtype)
    root = rule("sqrt", rule("div", nu, scalar("correction_2")))
    return rule("div", rule("div", mu, scalar("correction_1")), rule("add", root, scalar("eps")))


def decayed(rule, x):
    return rule("add", x, rule("mul", scalar("weight_decay"), rule.parameter()))


def adamw(mode="step", dtype=PARAM, clip=False):
    rule = Rule(mode=mode)
    g, partials = rule.gradient(), []
    if clip:
        partials.append(rule.partial("total", rule.sum_of_squares(g)))
        g = rule("mul", scalar("clip"), g)
    rule.result(rule("mul", scalar("minus_lr"), decayed(rule, adam_direction(rule, g, dtype))))
    return rule.program("adamw", *partials)


def sgd_momentum():
    rule = Rule()
    trace = rule("add", rule.gradient(), rule("mul", scalar("momentum"), rule.load("trace")))
    rule.store("trace", trace)
    rule.result(rule("mul", scalar("minus_lr"), trace))
    return rule.program("sgd")


def lion():
    rule = Rule()
    g, mu = rule.gradient(), rule.load("mu")
    rule.store("mu", rule.blend("b2", mu, g))
    sign = rule("sign", rule.blend("b1", mu, g))
    rule.result(rule("mul", scalar("minus_lr"), decayed(rule, sign)))
    return rule.program("lion")


def trust_ratio(rule, update):
    p_norm = rule("sqrt", rule.sum_of_squares(rule.parameter()))
    u_norm = rule("sqrt", rule.sum_of_squares(update))
    either_is_zero = rule("or", rule("eq", p_norm, 0.0), rule("eq", u_norm, 0.0))
    return rule("where", either_is_zero, 1.0, rule("div", p_norm, u_norm))


def lamb(mode="step", dtype=PARAM, clip_after=False):
    rule = Rule(mode=mode)
    update = decayed(rule, adam_direction(rule, rule.gradient(), dtype))
    update, partials = rule("mul", trust_ratio(rule, update), update), []
    if clip_after:
        partials.append(rule.partial("total", rule.sum_of_squares(update)))
        update = rule("mul", scalar("clip"), update)
    rule.result(rule("mul", scalar("minus_lr"), update))
    return rule.program("lamb", *partials)


def adafactor(rank, rows, columns, clip=False, dtype="float32", mode="step"):
    """Factored over ``rows`` (the second largest axis) and ``columns`` (the largest), as optax."""
    rule = Rule(rank, mode)
    g, partials = rule.gradient(), []
    if clip:
        partials.append(rule.partial("total", rule.sum_of_squares(g)))
        g = rule("mul", scalar("clip"), g)
    square = rule("add", rule("mul", g, g), scalar("eps"))
    without = {axis: tuple(a for a in range(rank) if a != axis) for axis in (rows, columns)}
    v_row = rule.load("v_row", dtype, without[columns])
    v_col = rule.load("v_col", dtype, without[rows])
    v_row = rule.blend("decay", v_row, rule.mean(square, (columns,)))
    v_col = rule.blend("decay", v_col, rule.mean(square, (rows,)))
    rule.store("v_row", v_row, dtype, without[columns])
    rule.store("v_col", v_col, dtype, without[rows])
    row_factor = rule("rsqrt", rule("div", v_row, rule.mean(v_row, (rows,))))
    update = rule("mul", rule("mul", g, row_factor), rule("rsqrt", v_col))
    rule.result(_clipped_and_scaled(rule, update))
    return rule.program("adafactor", *partials)


def adafactor_unfactored():
    rule = Rule()
    g = rule.gradient()
    nu = rule.blend("decay", rule.load("v"), rule("add", rule("mul", g, g), scalar("eps")))
    rule.store("v", nu)
    rule.result(_clipped_and_scaled(rule, rule("div", g, rule("sqrt", nu))))
    return rule.program("adafactor_unfactored")


def _clipped_and_scaled(rule, update):
    update = rule("div", update, rule("maximum", 1.0, rule.rms(update)))
    scale = rule("maximum", rule.rms(rule.parameter()), 1e-3)
    return rule("mul", scalar("minus_lr"), rule("mul", scale, update))


def sm3(rank, clip_by_block=False):
    """SM3-II (Anil et al., 2019): one accumulator for each axis, a maximum over all others."""
    rule = Rule(rank)
    g = rule.gradient()
    axes = [(axis,) if rank > 1 else LEAF for axis in range(rank)]
    slots = [rule.load(f"mu_{axis}", "float32", kept) for axis, kept in enumerate(axes)]
    least = slots[0]
    for slot in slots[1:]:
        least = rule("minimum", least, slot)
    nu = rule("add", least, rule("mul", g, g))
    for axis, kept in enumerate(axes):
        others = tuple(a for a in range(rank) if a != axis)
        rule.store(f"mu_{axis}", rule.reduce("max", nu, others), "float32", kept)
    update = rule("div", g, rule("sqrt", nu))
    if clip_by_block:
        update = rule("div", update, rule("maximum", 1.0, rule.rms(update)))
    rule.result(rule("mul", scalar("minus_lr"), update))
    return rule.program("sm3")


def kahan_adamw():
    """AdamW with bf16 parameters and a bf16 slot for what rounding them has lost."""
    rule = Rule()
    direction = adam_direction(rule, rule.gradient())
    lost = rule.load("lost")
    p = rule.parameter()
    y = rule("add", rule("mul", scalar("minus_lr"), decayed(rule, direction)), lost)
    rounded = cast(cast(rule("add", p, y), PARAM), REAL)
    rule.store("lost", rule("sub", y, rule("sub", rounded, p)))
    rule.store("p", rounded)
    return rule.program("kahan_adamw")


def novograd():
    """NovoGrad (Ginsburg et al., 2019): the second moment is one number for each leaf."""
    rule = Rule()
    g = rule.gradient()
    nu = rule.blend("b2", rule.load("nu", "float32", ()), rule.sum_of_squares(g))
    scaled = rule("div", g, rule("add", rule("sqrt", nu), scalar("eps")))
    mu = rule("add", rule("mul", scalar("b1"), rule.load("mu")), scaled)
    rule.store("nu", nu, "float32", ())
    rule.store("mu", mu)
    rule.result(rule("mul", scalar("minus_lr"), mu))
    return rule.program("novograd")


def small_reductions():
    """Slots that are sums of another slot, of its old value and of its new one, as they are."""
    rule = Rule(2)
    g, row = rule.gradient(), rule.load("row", "real", (0,))
    new_row = rule.mean(rule("mul", g, g), (1,))
    new_sum = rule.reduce("sum", new_row)
    rule.store("row", new_row, "real", (0,))
    rule.store("before", rule.reduce("sum", row), "real", ())
    rule.store("after", new_sum, "real", ())
    rule.result(rule("mul", scalar("minus_lr"), rule("mul", g, new_sum)))
    return rule.program("small_reductions")


def small_slots():
    """A slot of rows that is scaled by the old value of a scalar slot, which changes too."""
    rule = Rule(2)
    one, row = rule.load("one", "float32", ()), rule.load("row", "float32", (0,))
    rule.store("one", rule("add", one, 1.0), "float32", ())
    rule.store("row", rule("mul", row, one), "float32", (0,))
    rule.result(rule("mul", scalar("minus_lr"), rule.gradient()))
    return rule.program("small_slots")
