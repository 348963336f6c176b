"""The words of a notice: counts and offices, never a case, a taxpayer or an amount (DESIGN 7)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from rebate_monitor.alerting.digest import Digest, Urgent
from rebate_monitor.alerting.routes import UNKNOWN_CATEGORY
from rebate_monitor.catalogue import Catalogue, Language, catalogue
from rebate_monitor.domain.alert import BREACHED_LEVEL, AlertKind
from rebate_monitor.domain.event import Category
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.places import Place, Places

TEXTS = "alerting/texts"


class Text(NamedTuple):
    """What a message says: a title and plain lines."""

    title: str
    lines: tuple[str, ...]


def digest_link(link: str | None, digest: Digest) -> str | None:
    """Return where a message about a digest points; a correction is no open alert."""
    if link is None:
        return None
    query = {"city": digest.city, "kind": digest.kind, "level": digest.level, "state": "open"}
    if digest.kind is AlertKind.CORRECTED:
        del query["state"]
    if not digest.city:
        del query["city"]
    return f"{link}/alerts?{urlencode(query)}"


def render(
    digest: Digest, language: Language, places: Places, link: str | None, now: datetime
) -> Text:
    """Write one message that a person can act on; the last line is the link, where there is one."""
    writer = _Writer(
        digest=digest,
        language=language,
        words=catalogue(TEXTS, language),
        places=places,
        today=local_date(now),
    )
    target = digest_link(link, digest)
    links = () if target is None else (writer.words.say("link.open", link=target),)
    return Text(title=writer.title(), lines=(*writer.lines(), *links))


def render_trial(channel: str, language: Language, now: datetime) -> Text:
    """Write the message of `rebate-monitor channel test`: a trial, nothing to do."""
    words = catalogue(TEXTS, language)
    sent = words.instant(now, local_date(now))
    return Text(
        title=words.say("trial.title"),
        lines=(words.say("trial.channel", channel=channel, sent=sent), words.say("trial.nothing")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Writes about one digest in one language."""

    digest: Digest
    language: Language
    words: Catalogue
    places: Places
    today: date

    def title(self) -> str:
        is_step = self.digest.kind is AlertKind.CORRECTED and self.digest.level > BREACHED_LEVEL
        return self.words.say(
            "title.corrected_step" if is_step else f"title.{self.digest.kind}",
            city=self._city(),
            count=self.digest.count,
            step=self.digest.level - BREACHED_LEVEL,
        )

    def lines(self) -> Iterator[str]:
        yield self._reached()
        yield self._categories()
        yield from self._urgent()
        if self.digest.kind is not AlertKind.CORRECTED:
            yield self._open()
        yield self.words.say(f"next.{self.digest.kind}")

    def _reached(self) -> str:
        first = self.words.instant(self.digest.first_at, self.today)
        last = self.words.instant(self.digest.last_at, self.today)
        key = "reached.at" if first == last else "reached.between"
        return self.words.say(key, first=first, last=last)

    def _categories(self) -> str:
        counts = self.digest.by_category
        items = (
            self.words.say("category.item", category=self._category(known), count=counts[known])
            for known in (*Category, UNKNOWN_CATEGORY)
            if counts.get(known)
        )
        separator = self.words.phrases["category.separator"]
        return self.words.say("category.list", categories=separator.join(items))

    def _urgent(self) -> Iterator[str]:
        shown, count = len(self.digest.urgent), self.digest.count
        if not shown:
            return
        key = "urgent.all" if shown == count else "urgent.some"
        if self.digest.kind is AlertKind.CORRECTED and shown < count:
            key = "urgent.examples"
        yield self.words.say(key, shown=shown, count=count)
        yield from map(self._case, self.digest.urgent)

    def _case(self, case: Urgent) -> str:
        office = self._name(self.places.offices.get(case.office), case.office)
        parts = [
            *filter(None, [office]),
            self.words.say("category.named", category=self._category(case.category)),
        ]
        if case.due_date is not None:
            due = self.words.day(case.due_date, self.today)
            key = "urgent.due_estimated" if case.provisional else "urgent.due"
            parts.append(self.words.say(key, due=due))
        if self.digest.kind is not AlertKind.CORRECTED:  # its clock may have stopped long ago
            parts.append(self._left(case.workdays_left))
        return self.words.phrases["urgent.separator"].join(parts)

    def _left(self, workdays: int | None) -> str:
        if workdays is None:
            return self.words.say("urgent.standing")
        if workdays == 0:
            return self.words.say("urgent.none_left")
        key = "urgent.days_over" if workdays < 0 else "urgent.days_left"
        return self.words.say(key, days=abs(workdays))

    def _open(self) -> str:
        key = "open.some" if self.digest.open_total else "open.none"
        return self.words.say(
            key, open=self.digest.open_total, acknowledged=self.digest.acknowledged_total
        )

    def _city(self) -> str:
        if not self.digest.city:
            return self.words.say("city.unknown")
        return self._name(self.places.cities.get(self.digest.city), self.digest.city)

    def _category(self, category: str | None) -> str:
        return self.words.say(f"category.{category or UNKNOWN_CATEGORY}")

    def _name(self, place: Place | None, code: str) -> str:
        if place is None:
            return code
        return place.name_zh if self.language is Language.ZH else place.name_en
