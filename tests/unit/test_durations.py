"""Durations, counts and rates as people write them."""

from datetime import timedelta

import pytest

from autorecovery.models.durations import read_count, read_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("1.5m", 90),
        ("15m", 900),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        (" 2d ", 172_800),
    ],
)
def test_a_duration_is_read_as_written(text: str, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "15", "m", "15 minutes", "-5m", "5m!", "1e3s", 15, None, True, ["5m"], "٣m"]
)
def test_anything_else_is_refused_with_examples(text: object) -> None:
    with pytest.raises(ValueError, match="such as 90s, 15m, 1h 30m or 2d"):
        read_duration(text)


@pytest.mark.parametrize("text", ["366d", "9" * 400 + "d", "99999999999h"])
def test_no_duration_is_longer_than_a_year(text: str) -> None:
    with pytest.raises(ValueError, match="at most 365d"):
        read_duration(text)


def test_fractions_of_a_second_are_refused_since_nobody_could_read_them_back() -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        read_duration("1.5s")


@pytest.mark.parametrize("text", ["0s", "1s", "59s", "1m", "1h 1s", "1d 2h 3m 4s", "365d"])
def test_what_is_written_reads_back(text: str) -> None:
    assert write_duration(read_duration(text)) == text


def test_a_duration_already_read_is_kept_and_a_negative_one_is_shown_as_none() -> None:
    assert read_duration(timedelta(minutes=5)) == timedelta(minutes=5)
    assert write_duration(timedelta(seconds=-5)) == "0s"


def test_a_count_and_its_window_are_read() -> None:
    assert read_count("3 within 5m", "within") == (3, timedelta(minutes=5))
    assert read_count(" 10  per 1h 30m ", "per") == (10, timedelta(minutes=90))


@pytest.mark.parametrize(
    "text",
    ["3 per 5m", "0 within 5m", "within 5m", "3 within", "3", 3, None, "9999999999 within 5m"],
)
def test_a_count_without_its_word_or_window_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="such as '3 within 5m'"):
        read_count(text, "within")
