"""When a channel may be told: notification hours, apart from the clock of the cases (DESIGN 7)."""

from datetime import date, datetime, timedelta

from rebate_monitor.alerting.channels.channel import Channel
from rebate_monitor.domain.local_time import local_date, midnight
from rebate_monitor.domain.work_calendar import WorkCalendar

ONE_DAY = timedelta(days=1)


def is_open(channel: Channel, calendar: WorkCalendar, now: datetime) -> bool:
    """Say whether an instant lies in the channel's hours; make-up workdays are workdays."""
    day = local_date(now)
    return _is_served(channel, calendar, day) and _opening(channel, day) <= now < _closing(
        channel, day
    )


def window_start(channel: Channel, calendar: WorkCalendar, now: datetime) -> datetime:
    """Return the start of the digest window that an instant lies in.

    Windows are counted from the day's opening, so that the first one holds what the night brought.
    Without windows (`digest_every` zero) each instant begins its own. While the channel is closed
    it is still the window that was open last.
    """
    instant = _last_open(channel, calendar, now)
    if not channel.digest_every:
        return instant
    opening = _opening(channel, local_date(instant))
    return opening + (instant - opening) // channel.digest_every * channel.digest_every


def _last_open(channel: Channel, calendar: WorkCalendar, now: datetime) -> datetime:
    """Return the latest instant, not after `now`, at which the channel was open."""
    if is_open(channel, calendar, now):
        return now
    day = local_date(now)
    while not (_is_served(channel, calendar, day) and _closing(channel, day) <= now):
        day -= ONE_DAY
    return _closing(channel, day) - datetime.resolution


def _is_served(channel: Channel, calendar: WorkCalendar, day: date) -> bool:
    return not channel.workdays_only or calendar.kind(day).is_workday


def _opening(channel: Channel, day: date) -> datetime:
    return midnight(day) + timedelta(minutes=channel.hours.opens)


def _closing(channel: Channel, day: date) -> datetime:
    return midnight(day) + timedelta(minutes=channel.hours.closes)
