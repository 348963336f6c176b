"""Numbers, days and names as a page writes them, in the language of whoever reads it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from rebate_monitor.catalogue import Catalogue, Language, catalogue
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.explaining.explain import FOLDER as EXPLAINING
from rebate_monitor.explaining.explain import holiday_name
from rebate_monitor.places import Places

FOLDER = "board"
NOTHING = "–"
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one page; days are told as of `now`, in Asia/Shanghai."""

    language: Language
    places: Places
    now: datetime

    @property
    def phrases(self) -> Catalogue:
        """The phrases of the language."""
        return catalogue(FOLDER, self.language)

    @property
    def today(self) -> date:
        """The date of today in Asia/Shanghai."""
        return local_date(self.now)

    def say(self, key: str, **values: object) -> str:
        """Fill a phrase; `{n:workday|workdays}` chooses its words."""
        return self.phrases.say(key, **values)

    def number(self, value: float | None) -> str:
        """Write a count, a fraction of a case rounded away."""
        return NOTHING if value is None else f"{value:,.0f}"

    def mean(self, workdays: float | None) -> str:
        """Write a mean of workdays."""
        return NOTHING if workdays is None else f"{workdays:,.2f}"

    def target(self, workdays: float | None) -> str:
        """Write a target or limit without zeros that say nothing."""
        return NOTHING if workdays is None else f"{workdays:g}"

    def change(self, workdays: float | None) -> str:
        """Write by how much a mean has changed."""
        if workdays is None:
            return NOTHING
        told = f"{workdays:+,.2f}".replace("-", "\N{MINUS SIGN}")
        return told if told.strip("+\N{MINUS SIGN}0.") else "0.00"

    def share(self, ratio: float | None) -> str:
        """Write a ratio in percent."""
        return NOTHING if ratio is None else f"{ratio:.1%}"

    def day(self, day: date | None) -> str:
        """Write a day, with its year unless it is this year's."""
        return NOTHING if day is None else self.phrases.day(day, self.today)

    def weekday(self, day: date) -> str:
        """Name the day of the week."""
        return self.say(f"weekday.{day.weekday()}")

    def month(self, month: date) -> str:
        """Name a month, with its year unless it is this year's."""
        key = "month" if month.year == self.today.year else "month_of_year"
        name = self.phrases.months[month.month - 1]
        return self.say(f"calendar.{key}", month=name, year=str(month.year))

    def short_month(self, month: date) -> str:
        """Name a month where there is little room, January with its year."""
        key = "short_month_of_year" if month.month == 1 else "short_month"
        name = self.phrases.months[month.month - 1]
        return self.say(f"calendar.{key}", month=name, year=str(month.year))

    def instant(self, instant: datetime | None) -> str:
        """Write an instant to the minute, in Asia/Shanghai."""
        return NOTHING if instant is None else self.phrases.instant(instant, self.today)

    def clock(self, instant: datetime) -> str:
        """Write the time of day to the second, in Asia/Shanghai."""
        return f"{instant.astimezone(SHANGHAI):%H:%M:%S}"

    def ago(self, instant: datetime | None) -> str:
        """Say how long ago something was."""
        if instant is None:
            return self.say("ago.never")
        seconds = max(0, int((self.now - instant).total_seconds()))
        for unit, length in (("days", DAY), ("hours", HOUR), ("minutes", MINUTE)):
            if seconds >= length:
                return self.say(f"ago.{unit}", n=seconds // length)
        return self.say("ago.just_now")

    def city(self, code: str | None) -> str:
        """Name a city; one without a name is called by its code."""
        return self._name(code, "city")

    def office(self, code: str | None) -> str:
        """Name an office; one without a name is called by its code."""
        return self._name(code, "office")

    def verdict(self, verdict: str) -> str:
        """Name a verdict."""
        return self.say(f"verdict.{verdict}")

    def status(self, status: str) -> str:
        """Name a status."""
        return self.say(f"status.{status}")

    def category(self, category: str) -> str:
        """Name a management category; `unknown` stands for none."""
        return self.say(f"category.{category}")

    def anomalies(self, anomalies: Iterable[str]) -> str:
        """Say what is surprising about a case's facts."""
        explaining = catalogue(EXPLAINING, self.language)
        return "\n".join(explaining.say(f"anomaly.{anomaly}") for anomaly in anomalies)

    def holiday(self, name: str) -> str:
        """Name a holiday."""
        return holiday_name(name, self.language)

    def left(self, workdays: int) -> str:
        """Say how many workdays are left, or are too many."""
        if workdays == 0:
            return self.say("left.today")
        key = "left.over" if workdays < 0 else "left.left"
        return self.say(key, n=abs(workdays))

    def amount(self, cny: str) -> str:
        """Write an amount of money in CNY."""
        return f"{Decimal(cny):,}"

    def _name(self, code: str | None, kind: str) -> str:
        if code is None:
            return self.say(f"place.no_{kind}")
        known = self.places.cities if kind == "city" else self.places.offices
        place = known.get(code)
        if place is None:
            return code
        return place.name_zh if self.language is Language.ZH else place.name_en
