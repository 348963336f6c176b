"""The one time zone of the law: dates are dates in Asia/Shanghai (DESIGN 3.1)."""

from datetime import date, datetime, time, timedelta, timezone

# Mainland China has had no daylight saving time since 1991 and events begin in 2000,
# so the zone is exactly this offset and needs no tz database.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


class NaiveInstantError(ValueError):
    """An instant without an offset has no date in Asia/Shanghai."""


def local_date(instant: datetime) -> date:
    """Return the Asia/Shanghai date of an instant; raise NaiveInstantError without an offset."""
    if instant.tzinfo is None:
        raise NaiveInstantError(f"{instant.isoformat()} has no offset")
    return instant.astimezone(SHANGHAI).date()


def midnight(day: date) -> datetime:
    """Return 00:00 Asia/Shanghai, the first instant of a half-open day."""
    return datetime.combine(day, time.min, SHANGHAI)
