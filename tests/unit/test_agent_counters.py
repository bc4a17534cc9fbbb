"""Rates of counters that wrap, restart and vanish: a gap, never a spike."""

import threading

import pytest

from host_agent.counters import Counters, Shares
from host_agent.ticker import Ticker


def test_the_first_reading_has_no_rate() -> None:
    assert Counters().rates("eth0", {"bytes": 10**12}, 100.0) == {}


def test_a_rate_is_the_growth_per_second() -> None:
    counters = Counters()
    counters.rates("eth0", {"bytes": 1000}, 100.0)
    assert counters.rates("eth0", {"bytes": 1500}, 102.0) == {"bytes": 250.0}


@pytest.mark.parametrize("now", [0, 5, 2**32 - 101], ids=["restarted", "wrapped", "one less"])
def test_a_counter_that_went_back_is_a_gap_and_then_counts_from_there(now: int) -> None:
    counters = Counters()
    counters.rates("eth0", {"bytes": 2**32 - 100, "errors": 1}, 100.0)
    assert counters.rates("eth0", {"bytes": now, "errors": 2}, 101.0) == {"errors": 1.0}
    assert counters.rates("eth0", {"bytes": now + 7, "errors": 2}, 102.0)["bytes"] == 7.0


@pytest.mark.parametrize("at", [100.0, 99.0, 100.0 + 3600], ids=["no time", "back", "an hour"])
def test_over_no_time_or_a_very_long_one_there_is_no_rate(at: float) -> None:
    counters = Counters()
    counters.rates("eth0", {"bytes": 1000}, 100.0)
    assert counters.rates("eth0", {"bytes": 2000}, at) == {}


def test_an_object_that_was_gone_is_another_one() -> None:
    counters = Counters()
    counters.rates("sdb", {"bytes": 1000}, 100.0)
    counters.keep_only({"sda"})
    assert counters.rates("sdb", {"bytes": 10**9}, 101.0) == {}


def test_shares_of_time_sum_to_a_hundred() -> None:
    shares = Shares()
    shares.percents("all", {"user": 10.0, "idle": 90.0, "iowait": 5.0})
    found = shares.percents("all", {"user": 11.0, "idle": 92.5, "iowait": 5.5})
    assert found == {"user": 25.0, "idle": 62.5, "iowait": 12.5}


def test_a_kind_of_time_that_ran_back_counts_as_none() -> None:
    shares = Shares()
    shares.percents("all", {"user": 10.0, "idle": 90.0, "iowait": 5.0})
    found = shares.percents("all", {"user": 11.0, "idle": 91.0, "iowait": 4.9})
    assert found == {"user": 50.0, "idle": 50.0, "iowait": 0.0}


def test_times_that_started_anew_are_a_gap() -> None:
    shares = Shares()
    shares.percents("all", {"user": 10.0, "idle": 90.0})
    assert shares.percents("all", {"user": 1.0, "idle": 2.0}) == {}


class VirtualTime(threading.Event):
    """A stop that never comes; waiting for it lets virtual time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.wall, self.monotonic = 1_800_000_000.0, 50.0
        self.waited: list[float] = []

    def clock(self) -> tuple[float, float]:
        return self.wall, self.monotonic

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(round(timeout or 0.0, 6))
        self.passes(timeout or 0.0)
        return False


def test_the_beat_does_not_drift_with_the_length_of_a_tick() -> None:
    time = VirtualTime()
    ticker = Ticker(1.0, time, time.clock)
    ticker.start()
    for seconds in (0.3, 0.9, 0.0, 0.5):
        time.passes(seconds)
        ticker.wait()
    assert time.monotonic == pytest.approx(54.0)
    assert ticker.missed == 0


def test_beats_that_are_over_are_left_out_and_counted() -> None:
    time = VirtualTime()
    ticker = Ticker(1.0, time, time.clock)
    ticker.start()
    time.passes(4.4)
    ticker.wait()
    assert (ticker.missed, time.waited) == (3, [0.0])
    ticker.wait()
    assert time.monotonic == pytest.approx(55.0)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 2.5])
def test_a_clock_that_was_set_is_told_once_and_changes_no_beat(jump: float) -> None:
    time = VirtualTime()
    ticker = Ticker(1.0, time, time.clock)
    ticker.start()
    time.wall += jump
    ticker.wait()
    assert ticker.jumped() == pytest.approx(jump)
    assert ticker.jumped() == 0.0
    assert time.waited == [1.0]
