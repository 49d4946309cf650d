"""Cautious AdamW: a rule of one's own, in ten lines; `optgen demo` is about it.

A momentum may point uphill after the gradient has turned. A cautious optimizer drops those parts
of the update whose sign the gradient does not share, and scales the rest up in return. That takes
a mean over each leaf, and so a second pass over memory, which `explain` shows.

    optgen show examples/cautious_adamw.py:cautious_adamw --ir latex
    optgen verify examples/cautious_adamw.py:cautious_adamw
    optgen explain examples/cautious_adamw.py:cautious_adamw --machine h200
"""

from optgen import dsl


@dsl.rule
def cautious_adamw(g, p, *, learning_rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=1e-4):
    """Cautious AdamW (Liang, Chen, Liu and Liu, 2024, arXiv:2411.16085)."""
    t = dsl.step()
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = b1 * mu + (1 - b1) * g
    nu.next = b2 * nu + (1 - b2) * g**2
    mu_hat, nu_hat = mu.next / (1 - b1**t), nu.next / (1 - b2**t)
    adam = mu_hat / (dsl.sqrt(nu_hat) + eps)
    agrees = adam * g > 0  # counts as 1 where it holds, and as 0 elsewhere
    cautious = adam * agrees / dsl.maximum(dsl.mean(agrees), 1e-3)
    return -learning_rate * (cautious + weight_decay * p)
