"""Notification hours: people are told when they are there, digests begin at the opening."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor.alerting.channels.channel import (
    Channel,
    Hours,
    WecomConnection,
)
from rebate_monitor.alerting.hours import is_open, window_start
from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.catalogue import Language
from rebate_monitor.domain.local_time import SHANGHAI, NaiveInstantError

CALENDAR = work_calendar()


def channel(
    opens: int = 9 * 60,
    closes: int = 18 * 60,
    *,
    workdays_only: bool = True,
    digest_minutes: int = 15,
) -> Channel:
    """Return a channel with these hours."""
    return Channel(
        name="people",
        language=Language.ZH,
        hours=Hours(opens=opens, closes=closes),
        workdays_only=workdays_only,
        digest_every=timedelta(minutes=digest_minutes),
        per_minute=20,
        connection=WecomConnection(base_url="https://robot.example", key="key"),
    )


def at(text: str) -> datetime:
    """Return an instant of Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


ALWAYS = channel(0, 24 * 60, workdays_only=False, digest_minutes=0)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-11-23T08:59:59.999999", False),
        ("2026-11-23T09:00", True),
        ("2026-11-23T17:59:59.999999", True),
        ("2026-11-23T18:00", False),
        ("2026-11-21T10:00", False),  # an ordinary Saturday
        ("2026-02-14T10:00", True),  # the make-up Saturday before Spring Festival
        ("2026-02-28T10:00", True),  # the make-up Saturday after it
        ("2026-10-01T10:00", False),  # National Day, a Thursday
        ("2026-10-10T10:00", True),  # its make-up Saturday
    ],
)
def test_people_are_told_in_working_hours(instant: str, *, expected: bool) -> None:
    """The hours are half-open, make-up workdays are workdays and holidays are not."""
    assert expected == is_open(channel(), CALENDAR, at(instant))


@pytest.mark.parametrize("instant", ["2026-10-01T00:00", "2026-11-21T23:59:59.999999"])
def test_whole_day_channel_never_closes(instant: str) -> None:
    """00:00-24:00 on all days has no closed moment, not even the last of a day."""
    assert is_open(ALWAYS, CALENDAR, at(instant))


def test_until_midnight_on_workdays() -> None:
    """24:00 is the end of the same day: Friday until its last moment, not Saturday."""
    late = channel(18 * 60, 24 * 60)

    opened = [
        is_open(late, CALENDAR, at(text))
        for text in ("2026-11-20T23:59:59.999999", "2026-11-21T00:00", "2026-11-21T18:00")
    ]

    assert [True, False, False] == opened


def test_hours_are_of_shanghai() -> None:
    """The hours are those of Asia/Shanghai, whatever offset the instant is told in."""
    assert is_open(channel(), CALENDAR, datetime(2026, 11, 23, 1, 0, tzinfo=UTC))
    assert not is_open(channel(), CALENDAR, datetime(2026, 11, 23, 0, 59, tzinfo=UTC))


def test_instant_without_offset_is_refused() -> None:
    """An instant without an offset has no hour in Asia/Shanghai."""
    with pytest.raises(NaiveInstantError):
        is_open(channel(), CALENDAR, datetime(2026, 11, 23, 10, 0))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-11-23T09:00", "2026-11-23T09:00"),
        ("2026-11-23T09:14:59.999999", "2026-11-23T09:00"),
        ("2026-11-23T09:15", "2026-11-23T09:15"),
        ("2026-11-23T17:59", "2026-11-23T17:45"),
    ],
)
def test_windows_follow_each_other_from_the_opening(instant: str, expected: str) -> None:
    """The first window begins when people arrive, each next one a digest later."""
    assert at(expected) == window_start(channel(), CALENDAR, at(instant))


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-11-23T08:59", "2026-11-20T17:45"),  # Monday early: Friday's last window
        ("2026-11-20T18:00", "2026-11-20T17:45"),
        ("2026-11-22T12:00", "2026-11-20T17:45"),
        ("2026-10-05T12:00", "2026-09-30T17:45"),  # National Day week
    ],
)
def test_no_window_begins_while_the_channel_is_closed(instant: str, expected: str) -> None:
    """Nights, weekends and holidays still belong to the window that was open last."""
    assert at(expected) == window_start(channel(), CALENDAR, at(instant))


def test_windows_that_do_not_divide_the_day() -> None:
    """The last window of a day is cut short; the next day begins anew at the opening."""
    wide = channel(digest_minutes=7 * 60)

    starts = [
        window_start(wide, CALENDAR, at(text))
        for text in ("2026-11-23T15:59", "2026-11-23T17:00", "2026-11-24T09:00")
    ]

    assert [at("2026-11-23T09:00"), at("2026-11-23T16:00"), at("2026-11-24T09:00")] == starts


def test_a_window_of_a_day() -> None:
    """1440 minutes is one digest a day, at the opening."""
    daily = channel(digest_minutes=1440)

    assert at("2026-11-23T09:00") == window_start(daily, CALENDAR, at("2026-11-23T17:59"))


def test_no_windows() -> None:
    """digest_minutes 0 is at once: each instant begins its own window."""
    now = at("2026-11-23T10:01:02.000003")

    assert now == window_start(ALWAYS, CALENDAR, now)


def test_no_windows_while_closed() -> None:
    """Without windows, too, nothing becomes due outside the hours."""
    prompt = channel(digest_minutes=0)
    night, later = at("2026-11-23T20:00"), at("2026-11-23T21:00")

    assert window_start(prompt, CALENDAR, night) == window_start(prompt, CALENDAR, later)
    assert window_start(prompt, CALENDAR, night) < at("2026-11-23T18:00")


@given(
    now=st.datetimes(datetime(2026, 1, 10), datetime(2026, 12, 20), timezones=st.just(SHANGHAI)),  # noqa: DTZ001 - the zone is given beside
    opens=st.integers(0, 1439),
    length=st.integers(1, 1440),
    digest_minutes=st.integers(0, 1440),
    workdays_only=st.booleans(),
)
def test_window_starts_are_open_and_never_ahead(
    now: datetime, opens: int, length: int, digest_minutes: int, *, workdays_only: bool
) -> None:
    """A window begins while the channel is open, not after now, and is its own start."""
    some = channel(
        opens,
        min(opens + length, 1440),
        workdays_only=workdays_only,
        digest_minutes=digest_minutes,
    )

    start = window_start(some, CALENDAR, now)

    assert start <= now
    assert is_open(some, CALENDAR, start)
    assert start == window_start(some, CALENDAR, start)
