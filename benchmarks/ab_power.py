"""How the A/B test behaves in simulations: requests until a worse candidate is found, wrong stops of equal ones (docs/ab.md).

    python -m benchmarks.ab_power

A minute and a half; no service, no network, nothing timed: the same seed gives the same figures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from services.manager.ab.split_test import SplitTest

SEED = 7
SHARES_PERCENT = (5, 20, 50)
REFUSED = (0.002, 0.01, 0.05, 0.15)
WORSE_BY = 0.03
WORSE_RUNS, WORSE_WINDOW, MOST_REQUESTS, WORSE_ALPHA = 100, 100, 200_000, 0.02
EQUAL_RUNS, EQUAL_WINDOWS, EQUAL_ALPHA = 1000, 200, 0.025
BURSTS = {"even": False, "in bursts": True}


def main() -> None:
    """Prints both tables as Markdown."""
    rng = np.random.default_rng(SEED)
    print("| baseline refuses | " + " | ".join(f"share {share} %" for share in SHARES_PERCENT) + " |")
    print("|---|" + "---:|" * len(SHARES_PERCENT))
    for refused in REFUSED:
        cells = (requests_to_worse(rng, refused, share) for share in SHARES_PERCENT)
        print(f"| {refused:.1%} | " + " | ".join(f"{np.median(n):,.0f} / {np.quantile(n, 0.95):,.0f}" for n in cells) + " |")
    print()
    print("| equal versions, wrong stops | " + " | ".join(BURSTS) + " |")
    print("|---|" + "---:|" * len(BURSTS))
    for share in SHARES_PERCENT:
        stops = (wrong_stops(rng, share, in_bursts=in_bursts) for in_bursts in BURSTS.values())
        print(f"| share {share} % | " + " | ".join(f"{stopped:.1%}" for stopped in stops) + " |", flush=True)


def requests_to_worse(rng: np.random.Generator, refused: float, share_percent: int) -> list[int]:
    """Requests of both versions until a candidate that refuses `WORSE_BY` more is found worse, one number per run."""
    return [_until_worse(rng, refused, share_percent / 100) for _ in range(WORSE_RUNS)]


def wrong_stops(rng: np.random.Generator, share_percent: int, *, in_bursts: bool) -> float:
    """Share of runs in which versions that refuse the same were told apart, in either direction."""
    return sum(_is_stopped(rng, share_percent / 100, in_bursts=in_bursts) for _ in range(EQUAL_RUNS)) / EQUAL_RUNS


def _until_worse(rng: np.random.Generator, refused: float, share: float) -> int:
    test = SplitTest()
    for requests in range(WORSE_WINDOW, MOST_REQUESTS + 1, WORSE_WINDOW):
        of_candidate = int(rng.binomial(WORSE_WINDOW, share))
        of_baseline = WORSE_WINDOW - of_candidate
        bad = int(rng.binomial(of_baseline, refused)), int(rng.binomial(of_candidate, refused + WORSE_BY))
        test.add((of_baseline, of_candidate), bad)
        if test.is_more(WORSE_ALPHA):
            return requests
        if test.is_fewer(WORSE_ALPHA):
            break
    sys.exit(f"ab_power: a candidate that refuses {WORSE_BY:.0%} more was not found worse within {MOST_REQUESTS:,} requests")


def _is_stopped(rng: np.random.Generator, share: float, *, in_bursts: bool) -> bool:
    test = SplitTest()
    for requests, refused in _windows(rng, in_bursts=in_bursts):
        of_candidate = int(rng.binomial(requests, share))
        bad_of_candidate = int(rng.hypergeometric(of_candidate, requests - of_candidate, refused)) if requests else 0
        test.add((requests - of_candidate, of_candidate), (refused - bad_of_candidate, bad_of_candidate))
        if test.is_more(EQUAL_ALPHA) or test.is_fewer(EQUAL_ALPHA):
            return True
    return False


def _windows(rng: np.random.Generator, *, in_bursts: bool) -> Iterator[tuple[int, int]]:
    """Requests and refusals of each window: a tenth is refused, window by window alike or far from it."""
    for _ in range(EQUAL_WINDOWS):
        requests = int(rng.poisson(80))
        rate = min(1.0, 0.1 * (rng.gamma(0.3, 1 / 0.3) if in_bursts else 1.0))
        yield requests, int(rng.binomial(requests, rate))


if __name__ == "__main__":
    main()
