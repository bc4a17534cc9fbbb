"""Ratios of two things measured by turns: what a busy machine does to one, it does to both."""

import statistics
import sys
from collections.abc import Callable
from typing import NoReturn


def median_ratio(
    product: Callable[[], float], floor: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """Return the median of the ratios, and the median seconds of the product and of its floor."""
    pairs = [(product(), floor()) for _ in range(rounds)]
    ratio = statistics.median(measured / least for measured, least in pairs)
    measured, least = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ratio, measured, least


def report(name: str, ratio: float, bound: float, detail: str) -> bool:
    """Print one measurement, and return whether its bound holds."""
    holds = ratio <= bound
    print(f"{'ok    ' if holds else 'MISSED'} {name}: {ratio:.2f} times its floor, at most {bound}")
    print(f"       {detail}")
    return holds


def finish(*, holds: bool) -> NoReturn:
    """End with an exit code that says whether every bound holds."""
    sys.exit(0 if holds else 1)
