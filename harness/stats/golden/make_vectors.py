"""Golden vectors of harness/stats, by other means than its code: scipy and numpy, exact fractions
and plain enumeration. How to run it: README.md beside this file. Prints the JSON.

Where scipy 1.10 itself calls Boost, as the code under test does (binomial, noncentral t), another
way is taken here: fractions, numerical integration.
"""

import itertools
import json
import math
import platform
from fractions import Fraction

import numpy
import scipy
from scipy import integrate, optimize, stats

SEED = 20261127
rng = numpy.random.Generator(numpy.random.PCG64(SEED))


def thousandths(mean, sd, n):
    """A sample of whole thousandths, so that ties and sums can also be had in integers."""
    return [int(round(x)) for x in rng.normal(mean * 1000, sd * 1000, n)]


def t_quantile(p, df):
    """scipy 1.10's own inverse is off by up to 5e-9; its distribution is not, so that is inverted."""
    start = stats.t.ppf(p, df)
    return optimize.brentq(lambda t: stats.t.cdf(t, df) - p, start - 1e-3 * abs(start),
                           start + 1e-3 * abs(start), xtol=1e-15, rtol=1e-14)


def quantiles():
    out = []
    for n in (1, 2, 3, 7, 24, 60, 299):
        sample = [x / 1000 for x in thousandths(200, 60, n)]
        qs = (0.0, 0.05, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0)
        values = numpy.percentile(sample, [100 * q for q in qs], method="linear")
        out.append({"sample": sample, "q": qs, "value": list(values),
                    "mean": float(numpy.mean(sample))})
    return out


def order_statistics():
    """All pairs of ranks, in whole numbers: fewest ranks, of those the most coverage, of those the
    lowest pair."""
    out = []
    for q, ns in ((Fraction(1, 2), (5, 6, 7, 10, 25, 60)), (Fraction(9, 10), (28, 29, 60)),
                  (Fraction(19, 20), (58, 59, 60, 100, 240)), (Fraction(99, 100), (298, 299))):
        for level, n in itertools.product((Fraction(9, 10), Fraction(19, 20)), ns):
            hit, miss = q.numerator, q.denominator - q.numerator
            whole = q.denominator**n
            below = [0]  # P[Bin < k] in parts of `whole`
            for k in range(n + 1):
                below.append(below[-1] + math.comb(n, k) * hit**k * miss**(n - k))
            needed = -(-level.numerator * whole // level.denominator)
            pairs = ((high - low, below[low] - below[high], low, high)
                     for low, high in itertools.combinations(range(1, n + 1), 2)
                     if below[high] - below[low] >= needed)
            best = min(pairs, default=None)
            out.append({"n": n, "q": float(q), "level": float(level),
                        "ranks": list(best[2:]) if best else None,
                        "coverage": float(Fraction(-best[1], whole)) if best else 0.0})
    return out


def means():
    out = []
    for n, level in ((2, 0.95), (3, 0.9), (6, 0.95), (8, 0.9), (12, 0.95), (40, 0.99)):
        sample = [x / 1000 for x in thousandths(-0.1, 0.06, n)]
        test = stats.ttest_1samp(sample, 0)
        half = t_quantile(0.5 + level / 2, n - 1) * stats.sem(sample)
        out.append({"sample": sample, "level": level, "mean": float(numpy.mean(sample)),
                    "sd": float(numpy.std(sample, ddof=1)),
                    "low": float(numpy.mean(sample)) - half,
                    "high": float(numpy.mean(sample)) + half, "t": test.statistic, "p": test.pvalue})
    return out


def student():
    """Student's t, integrated by cephes."""
    rows = [(p, df) for df in (1, 2, 3, 5, 7, 11, 30, 1000) for p in (0.6, 0.9, 0.95, 0.975, 0.999)]
    return [{"p": p, "df": df, "t": float(t_quantile(p, df)),
             "two_sided": float(2 * stats.t.sf(t_quantile(p, df), df))} for p, df in rows]


def signed_rank_level(n, rank):
    """1 - 2 P[W <= rank - 1] over all 2^n sign patterns of the ranks."""
    sums = numpy.zeros(1, dtype=int)
    for r in range(1, n + 1):
        sums = numpy.concatenate([sums, sums + r])
    return 1 - 2 * float(numpy.count_nonzero(sums <= rank - 1)) / len(sums)


def hodges_lehmann():
    """The interval by inverting scipy's exact signed-rank test: the shifts it does not reject. Its p
    changes only at Walsh averages, so one shift between each two neighbours is asked."""
    out = []
    for n in (6, 7, 8, 10, 12, 15, 18):
        for level in (0.9, 0.95):
            d = [int(1e6 * x) for x in rng.normal(-0.1, 0.06, n)]
            walsh = sorted(d[i] + d[j] for i in range(n) for j in range(i, n))  # in 1/2000000
            assert len(set(walsh)) == len(walsh)
            kept = []
            for k in range(len(walsh) - 1):
                shift = (walsh[k] + walsh[k + 1]) / 4e6
                p = stats.wilcoxon(numpy.array(d) / 1e6 - shift, method="exact").pvalue
                if p > (1 - level) * (1 + 1e-9):
                    kept.append(k)
            assert kept == list(range(kept[0], kept[-1] + 1))
            rank = kept[0] + 1
            out.append({"d": [x / 1e6 for x in d], "level": level,
                        "estimate": float(numpy.median(walsh)) / 2e6, "rank": rank,
                        "low": walsh[kept[0]] / 2e6, "high": walsh[kept[-1] + 1] / 2e6,
                        "coverage": signed_rank_level(n, rank)})
    return out


def sign_flip():
    """All sign patterns in integers: no tie is lost to rounding."""
    out = []
    cases = [thousandths(mean, 0.05, n) for n in (3, 6, 8, 11, 12, 16) for mean in (0, -0.03, 0.06)]
    cases += [[100, 200, -300, 300], [50, 50, 50, -50, 50, 50], [0, 0, 10, -10, 20]]  # ties
    for d in cases:
        sums = numpy.zeros(1, dtype=int)
        for x in d:
            sums = numpy.concatenate([sums + x, sums - x])
        hits = numpy.count_nonzero(abs(sums) >= abs(sum(d)))
        out.append({"d": [x / 1000 for x in d], "p": hits / len(sums)})
    return out


def estimate(value, se, df, level):
    half = t_quantile(0.5 + level / 2, df) * se
    return {"estimate": value, "se": se, "df": df, "low": value - half, "high": value + half,
            "p": float(2 * stats.t.sf(abs(value / se), df))}


def cross_over():
    """Treatment and period as a regression: d = treatment + period * (+1 in AB, -1 in BA). Carry-over
    likewise, by scipy's linregress of the totals."""
    out = []
    for n_ab, n_ba, level in ((2, 1, 0.95), (3, 3, 0.95), (4, 4, 0.9), (5, 3, 0.95), (6, 6, 0.99)):
        ab = [x / 1000 for x in thousandths(-0.08, 0.05, n_ab)]
        ba = [x / 1000 for x in thousandths(-0.12, 0.05, n_ba)]
        totals = [[x / 1000 for x in thousandths(mean, 0.2, n)] for mean, n in ((9, n_ab), (9.1, n_ba))]
        y = numpy.array(ab + ba)
        x = numpy.column_stack([numpy.ones(len(y)), [1] * n_ab + [-1] * n_ba])
        beta, squares, _, _ = numpy.linalg.lstsq(x, y, rcond=None)
        df = n_ab + n_ba - 2
        covariance = numpy.linalg.inv(x.T @ x) * squares[0] / df
        carry = stats.linregress([1] * n_ab + [0] * n_ba, totals[0] + totals[1])
        out.append({"ab": ab, "ba": ba, "totals_ab": totals[0], "totals_ba": totals[1],
                    "level": level,
                    "treatment": estimate(float(beta[0]), math.sqrt(covariance[0, 0]), df, level),
                    "period": estimate(float(beta[1]), math.sqrt(covariance[1, 1]), df, level),
                    "carry_over": estimate(carry.slope, carry.stderr, df, level)})
    return out


def tost():
    """Schuirmann's two one-sided t tests by their p values, never by an interval."""
    out = []
    margin = math.log(1.05)
    for mean, sd in ((0, 0.02), (0, 0.06), (0.02, 0.02), (-0.04, 0.02), (-0.1, 0.02), (0.1, 0.02)):
        for n in (8, 12):
            d = [x / 1000 for x in thousandths(mean, sd, n)]
            above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
            below = stats.ttest_1samp(d, margin, alternative="less").pvalue
            out.append({"d": d, "alpha": 0.05, "margin": margin, "p_above": above, "p_below": below,
                        "equivalent": bool(max(above, below) < 0.05),
                        "non_inferior": bool(below < 0.05)})
    return out


def holm_rejects(p, alpha):
    """The step-down procedure itself."""
    rejected = [False] * len(p)
    for step, i in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        if p[i] > alpha / (len(p) - step) * (1 + 1e-12):
            break
        rejected[i] = True
    return rejected


def holm():
    """The least alpha at which the procedure rejects."""
    out = []
    for p in ([0.04, 0.01, 0.03], [0.0078, 0.25, 0.0156, 0.0078, 0.6], [0.5, 0.4], [0.001],
              [0.2, 0.2, 0.01, 0.04]):
        steps = sorted({min(1.0, x * k) for x in p for k in range(1, len(p) + 1)} | {1.0})
        adjusted = []
        for i in range(len(p)):
            adjusted.append(next((a for a in steps if holm_rejects(p, a)[i]), 1.0))
        out.append({"p": p, "adjusted": adjusted})
    return out


def t_power(effect, sd, n, alpha):
    """P[|T| > critical] of the noncentral t by integration over the chi-square of the spread."""
    df = n - 1
    critical = t_quantile(1 - alpha / 2, df)
    shift = effect / sd * math.sqrt(n)

    def outside(v):
        reach = critical * math.sqrt(v / df)
        return (stats.norm.sf(reach - shift) + stats.norm.cdf(-reach - shift)) * stats.chi2.pdf(v, df)

    cuts = [0] + [float(stats.chi2.ppf(p, df)) for p in (1e-6, 0.01, 0.5, 0.99)] + [
        float(stats.chi2.isf(1e-16, df))]
    return sum(integrate.quad(outside, a, b, epsabs=1e-14, epsrel=1e-13, limit=400)[0]
               for a, b in zip(cuts, cuts[1:]))


def detectable():
    out = []
    for n, alpha, power in ((2, 0.05, 0.8), (4, 0.05, 0.8), (6, 0.05, 0.8), (8, 0.05, 0.8),
                            (8, 0.05, 0.9), (8, 0.025, 0.8), (12, 0.05, 0.8), (20, 0.05, 0.8),
                            (60, 0.01, 0.95)):
        least = optimize.brentq(lambda e: t_power(e, 1, n, alpha) - power, 0.01, 100, xtol=1e-13)
        out.append({"n": n, "alpha": alpha, "power": power, "effect": least})
    return out


def powers():
    return [{"effect": e, "sd": 0.06, "n": n, "alpha": a, "power": t_power(e, 0.06, n, a)}
            for e in (0, 0.03, 0.07, 0.15) for n in (4, 8, 12) for a in (0.05, 0.025)]


def equivalence_powers():
    """P[both one-sided tests reject] of TOST by the same integration."""
    out = []
    for n, margin, truth in ((6, 0.0488, 0), (8, 0.0488, 0.01), (12, 0.0488, 0), (12, 0.0953, -0.03)):
        df, sd = n - 1, 0.04
        critical = t_quantile(0.95, df)

        def inside(v):
            reach = critical * math.sqrt(v / df)
            low = (-margin - truth) / sd * math.sqrt(n) + reach
            high = (margin - truth) / sd * math.sqrt(n) - reach
            return max(0.0, stats.norm.cdf(high) - stats.norm.cdf(low)) * stats.chi2.pdf(v, df)

        widest = (margin / sd * math.sqrt(n) / critical)**2 * df  # above, the interval never fits
        value = integrate.quad(inside, 0, widest, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
        out.append({"margin": margin, "sd": sd, "n": n, "alpha": 0.05, "truth": truth,
                    "power": value})
    return out


def spread():
    """(n-1) s^2 / sigma^2 is chi-square."""
    out = []
    for n in (2, 4, 6, 8, 12, 30):
        for level in (0.8, 0.95):
            tail = (1 - level) / 2
            out.append({"sd": 0.06, "n": n, "level": level,
                        "low": 0.06 * math.sqrt((n - 1) / stats.chi2.isf(tail, n - 1)),
                        "high": 0.06 * math.sqrt((n - 1) / stats.chi2.ppf(tail, n - 1))})
    return out


def isotonic():
    """Non-negative least squares over the steps of the curve: quadratic programming, no pooling."""
    out = []
    for n in (3, 7, 12, 20):
        y = [x / 1000 for x in thousandths(0, 40, n)]
        y = [a + 8 * i for i, a in enumerate(y)]
        w = [int(k) for k in rng.integers(1, 6, n)]
        steps = numpy.tril(numpy.ones((n, n)))
        a = numpy.column_stack([-steps[:, 0], steps]) * numpy.sqrt(w)[:, None]
        x, _ = optimize.nnls(a, numpy.array(y) * numpy.sqrt(w))
        fit = numpy.column_stack([-steps[:, 0], steps]) @ x
        out.append({"y": y, "weights": w, "fit": list(fit)})
    return out


def usl(n, scale, sigma, kappa):
    return scale * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))


def usl_fits():
    out = []
    grids = ([1, 2, 4, 8, 16, 32, 64], [1, 2, 3, 4, 6, 8, 12, 16, 24, 32], [1, 1, 4, 4, 16, 16, 48, 48])
    for grid, truth in itertools.product(grids, ((10, 0.05, 0.002), (300, 0.2, 0.004))):
        n = numpy.array(grid, dtype=float)
        x = numpy.round(usl(n, *truth) * (1 + rng.normal(0, 0.01, len(n))), 4)
        p, covariance = optimize.curve_fit(usl, n, x, p0=truth, method="lm", ftol=1e-15, xtol=1e-15,
                                           gtol=1e-15, maxfev=10000)
        half = t_quantile(0.975, len(n) - 3) * numpy.sqrt(numpy.diag(covariance))
        residual = float(numpy.sum((x - usl(n, *p))**2))
        out.append({"concurrency": grid, "throughput": list(x), "parameters": list(p),
                    "half_width": list(half),
                    "r_squared": 1 - residual / float(numpy.sum((x - numpy.mean(x))**2)),
                    "peak": math.sqrt((1 - p[1]) / p[2])})
    return out


def crossings():
    """The inverse of the interpolated monotone fit, found by bisection."""
    out = []
    for slo in (120.0, 150.0, 333.3):
        grid = [1, 2, 4, 8, 16, 32]
        y = [100, 108, 104, 130, 260, 590]
        fit = [100, 106, 106, 130, 260, 590]
        at = optimize.brentq(lambda c: numpy.interp(c, grid, fit) - slo, 1, 32, xtol=1e-13)
        out.append({"concurrency": grid, "value": y, "slo": slo, "crossing": at})
    return out


vectors = {
    "made_with": {"python": platform.python_version(), "numpy": numpy.__version__,
                  "scipy": scipy.__version__},
    "seed": SEED,
    "quantiles": quantiles(),
    "order_statistics": order_statistics(),
    "means": means(),
    "student": student(),
    "hodges_lehmann": hodges_lehmann(),
    "sign_flip": sign_flip(),
    "cross_over": cross_over(),
    "tost": tost(),
    "holm": holm(),
    "detectable": detectable(),
    "powers": powers(),
    "equivalence_powers": equivalence_powers(),
    "spread": spread(),
    "isotonic": isotonic(),
    "usl": usl_fits(),
    "crossings": crossings(),
}
rows = [f' {json.dumps(key)}: ' + (
    json.dumps(value) if not isinstance(value, list) else
    "[\n" + ",\n".join("  " + json.dumps(row) for row in value) + "\n ]")
    for key, value in vectors.items()]
print("{\n" + ",\n".join(rows) + "\n}")
