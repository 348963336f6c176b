"""How a circular names and writes things in one language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from rebate_monitor.catalogue import Catalogue, Language, catalogue
from rebate_monitor.circular.document import Cell, Kind
from rebate_monitor.circular.provinces import PROVINCES
from rebate_monitor.domain.policy import Policy
from rebate_monitor.places import Place, Places

FOLDER = "circular"
HIDDEN_MARK, NOTHING_MARK = "*", "—"
WHOLE_BY_ENDING = {"市": "全市", "区": "全区"}
DECIMALS, MOST_DECIMALS = 2, 6
PERCENT_DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The phrases, names and numbers of one language; instants are told in Asia/Shanghai."""

    language: Language
    places: Places
    words: Catalogue

    def say(self, key: str, **values: object) -> str:
        """Fill a phrase."""
        return self.words.say(key, **values)

    def listed(self, parts: Iterable[str]) -> str:
        """Return things in one line."""
        return self.say("overview.enumeration").join(parts)

    def day(self, day: date) -> str:
        """Write a date with its year."""
        return self.words.day(day, date.min)

    def instant(self, instant: datetime) -> str:
        """Write an instant with its year, to the minute."""
        return self.words.instant(instant, date.min)

    def month(self, first: date) -> str:
        """Write a month with its year."""
        return self.say(
            "title.month", year=f"{first.year}", month=self.words.months[first.month - 1]
        )

    def place(self, code: str | None, known: Mapping[str, Place]) -> str:
        """Name a city or an office, an unknown one by its code."""
        place = known.get(code or "")
        if place is None:
            return code or ""
        return place.name_zh if self.language is Language.ZH else place.name_en

    def city(self, code: str | None) -> str:
        """Name a city."""
        return self.place(code, self.places.cities)

    def office(self, code: str | None) -> str:
        """Name an office."""
        return self.place(code, self.places.offices)

    def province(self, code: str) -> str:
        """Name a province in the title."""
        chinese, english = PROVINCES[code]
        return chinese if self.language is Language.ZH else english

    def whole(self, code: str) -> str:
        """Name a province within a sentence about all of it."""
        chinese, english = PROVINCES[code]
        if self.language is Language.ZH:
            return WHOLE_BY_ENDING.get(chinese[-1], "全省")
        return english

    def cited(self, policy: Policy) -> tuple[str, str]:
        """Return a policy's title and wording."""
        if self.language is Language.ZH:
            return policy.title, policy.citation
        return policy.title_en or policy.title, policy.citation_en or policy.citation

    def cell(self, cell: Cell, kind: Kind) -> str:
        """Write a cell as text."""
        if cell.hidden:
            return HIDDEN_MARK
        if cell.value is None:
            return NOTHING_MARK
        if isinstance(cell.value, bool):
            return self.say("flag.yes" if cell.value else "flag.no")
        if isinstance(cell.value, str):
            return cell.value
        return number(cell.value, kind, cell.decimals)


def number(value: float, kind: Kind, decimals: int = DECIMALS) -> str:
    """Write a number: means and changes in workdays, rates in percent; halves as Excel does."""
    match kind:
        case Kind.COUNT | Kind.RANK:
            return f"{value:,}"
        case Kind.CHANGE:
            shown = rounded(value, decimals)
            return f"{shown:+f}".replace("-", "\N{MINUS SIGN}") if shown else f"{abs(shown):f}"
        case Kind.RATE:
            return f"{rounded(value, decimals + PERCENT_DIGITS) * 100:.{decimals}f}%"
        case _:
            return f"{rounded(value, decimals):f}"


def rounded(value: float, decimals: int) -> Decimal:
    """Round to so many decimals, halves away from zero."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def enough_decimals(value: float | None, mark: float | None) -> int:
    """Return with how many decimals a value does not look like a mark that it is not."""
    if value is None or mark is None or value == mark:
        return DECIMALS
    decimals = DECIMALS
    while decimals < MOST_DECIMALS and rounded(value, decimals) == rounded(mark, decimals):
        decimals += 1
    return decimals


def plain(value: float) -> str:
    """Write a target or a limit without idle decimals."""
    return f"{value:g}"


def wording(language: Language, places: Places) -> Wording:
    """Return the wording of a language."""
    return Wording(language=language, places=places, words=catalogue(FOLDER, language))
