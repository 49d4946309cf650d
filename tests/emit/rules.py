"""Rules that are read out and verified in the tests, and their programs."""

import jax

from optgen import dsl
from optgen.compile import trace_tree


@dsl.rule
def adamw(g, p, *, learning_rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.1):
    t = dsl.step()
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = b1 * mu + (1 - b1) * g
    nu.next = b2 * nu + (1 - b2) * g**2
    mu_hat = mu.next / (1 - b1**t)
    nu_hat = nu.next / (1 - b2**t)
    update = mu_hat / (dsl.sqrt(nu_hat) + eps)
    update = update + weight_decay * p
    return -learning_rate * update


@dsl.rule
def clip(g, p, *, max_norm):
    norm = dsl.global_norm(g)
    return g * dsl.where(norm < max_norm, 1.0, max_norm / norm)


@dsl.rule
def kahan(g, p, *, learning_rate, weight_decay=0.1):
    compensation = dsl.state("compensation")
    y = -learning_rate * (g + weight_decay * p) - compensation
    s = dsl.cast(p + y, p.dtype)
    compensation.next = (s - p) - y
    return s - p


@dsl.rule
def adafactor(g, p, *, learning_rate, decay_rate=0.8, clipping_threshold=1.0, eps=1e-30):
    decay = 1 - dsl.step() ** (-decay_rate)
    sqr = g**2 + eps
    v_row = dsl.state("v_row", like=dsl.mean(sqr, axis=1))
    v_col = dsl.state("v_col", like=dsl.mean(sqr, axis=0))
    v_row.next = decay * v_row + (1 - decay) * dsl.mean(sqr, axis=1)
    v_col.next = decay * v_col + (1 - decay) * dsl.mean(sqr, axis=0)
    u = g * dsl.rsqrt(v_row.next / dsl.mean(v_row.next)) * dsl.rsqrt(v_col.next)
    u = u / dsl.maximum(1.0, dsl.rms(u) / clipping_threshold)
    return -learning_rate * u


@dsl.rule
def lion(g, p, *, learning_rate, b1=0.9, b2=0.99, weight_decay=0.1):
    mu = dsl.state("mu")
    u = dsl.sign(b1 * mu + (1 - b1) * g)
    mu.next = b2 * mu + (1 - b2) * g
    return -learning_rate * (u + weight_decay * p)


@dsl.rule
def lamb(g, p, *, learning_rate, b1=0.9, b2=0.999, eps=1e-6, weight_decay=0.1):
    t = dsl.step()
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = b1 * mu + (1 - b1) * g
    nu.next = b2 * nu + (1 - b2) * g**2
    u = mu.next / (1 - b1**t) / (dsl.sqrt(nu.next / (1 - b2**t)) + eps) + weight_decay * p
    trust_ratio = dsl.where(dsl.norm(p) > 0, dsl.norm(p) / dsl.norm(u), 1.0)
    return -learning_rate * trust_ratio * u


@dsl.rule
def dog(g, p, *, eps=1e-6):
    """The distance over the gradients (Ivgi, Hinder and Carmon, 2023), with slots of the tree."""
    start = dsl.constant_state("start", p, init=p)
    distance, total = dsl.tree_state("distance", init=1e-6), dsl.tree_state("total")
    total.next = total + dsl.tree_sum(g**2)
    distance.next = dsl.maximum(distance, dsl.sqrt(dsl.tree_sum((p - start) ** 2)))
    return -distance.next / dsl.sqrt(total.next + eps) * g


def traced(optimizer, shape=(5, 7), dtype="float32"):
    """The programs of a step, and of the init, for one leaf."""
    specs = optimizer.trees.specs([jax.ShapeDtypeStruct(shape, dtype)])
    (one,) = trace_tree(optimizer.instance.composition, specs).values()
    return one.update, one.init


def program(optimizer, shape=(5, 7), dtype="float32"):
    return traced(optimizer, shape, dtype)[0]
