"""Phrases for people, in Chinese and in English, from the package's own TOML files."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from importlib import resources

from rebate_monitor.domain.local_time import SHANGHAI, local_date


class Language(StrEnum):
    """The languages in which the service speaks to people."""

    ZH = "zh"
    EN = "en"


class Count(int):
    """A number that chooses words: `{n:workday|workdays}`."""

    def __format__(self, forms: str) -> str:
        """Return the first of two forms for one, the second for any other number."""
        if "|" not in forms:
            return super().__format__(forms)
        one, many = forms.split("|")
        return one if self == 1 else many


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The phrases of one language by `section.key`, and its names of the months."""

    phrases: Mapping[str, str]
    months: tuple[str, ...]

    def say(self, key: str, **values: object) -> str:
        """Fill a phrase; whole numbers may choose its words."""
        counted = {k: Count(v) if isinstance(v, int) else v for k, v in values.items()}
        return self.phrases[key].format(**counted)

    def day(self, day: date, today: date) -> str:
        """Write a date, with its year unless that is today's."""
        key = "date" if day.year == today.year else "date_of_year"
        month = self.months[day.month - 1]
        return self.phrases[key].format(year=day.year, month=month, day=day.day)

    def instant(self, instant: datetime, today: date) -> str:
        """Write an instant in Asia/Shanghai, to the minute."""
        return f"{self.day(local_date(instant), today)} {instant.astimezone(SHANGHAI):%H:%M}"


@cache
def catalogue(folder: str, language: Language) -> Catalogue:
    """Return a packaged catalogue: a folder of the package has one file a language."""
    file = resources.files("rebate_monitor") / folder / f"{language}.toml"
    told = tomllib.loads(file.read_text("utf-8"))
    return Catalogue(phrases=dict(_phrases(told)), months=tuple(told["months"]))


def _phrases(told: Mapping[str, object], section: str = "") -> Iterator[tuple[str, str]]:
    for key, value in told.items():
        if isinstance(value, dict):
            yield from _phrases(value, f"{section}{key}.")
        elif isinstance(value, str):
            yield section + key, value
