"""Make the message of an outbox row: text for people, JSON for machines."""

from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from rebate_monitor.alerting.announcing import DigestBody, DigestFacts
from rebate_monitor.alerting.channels.channel import Channel, ChannelType
from rebate_monitor.alerting.channels.message import Message
from rebate_monitor.alerting.digest import Digest, Urgent
from rebate_monitor.alerting.texts import digest_link, render
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.places import Places
from rebate_monitor.storage.outbox import Claimed
from rebate_monitor.storage.rules import Rules

DIGEST_TYPE = "rebate.alert.digest"


class UrgentCase(msgspec.Struct, kw_only=True):
    """What people are told of a case of a digest: whose it is and how urgent, not which."""

    office: str | None
    category: str | None
    due_date: date | None


class ToldCase(msgspec.Struct, kw_only=True):
    """A case as a webhook receives it; `provisional` where its due date is an estimate."""

    case_id: str
    alert_id: str
    office: str | None
    category: str | None
    due_date: date | None
    at: str
    provisional: bool = False


class CityView(msgspec.Struct, kw_only=True):
    """A city with its names, empty where nobody has told them."""

    code: str | None
    name_zh: str
    name_en: str


class DigestPayload(DigestFacts, kw_only=True):
    """What a webhook receives (docs/notifications.md)."""

    type: str
    notification_id: str
    channel: str
    created_at: datetime
    city: CityView
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestComposer:
    """Composes the messages of one channel."""

    channel: Channel
    places: Places
    rules: Rules
    link: str | None

    def __call__(self, claimed: Claimed, now: datetime) -> Message:
        """Compose the message of a leased row."""
        body = msgspec.json.decode(claimed.body, type=DigestBody)
        digest = self._digest(body, local_date(now))
        text = render(digest, self.channel.language, self.places, self.link, now)
        link = digest_link(self.link, digest)
        return Message(
            notification_id=str(claimed.notification_id),
            title=text.title,
            lines=text.lines,
            link=link,
            payload=msgspec.json.encode(self._payload(claimed, body, link)),
        )

    def _digest(self, body: DigestBody, today: date) -> Digest:
        return Digest(
            kind=body.kind,
            level=body.level,
            city=body.city or "",
            count=body.count,
            by_category=body.by_category,
            urgent=self._urgent(body, today),
            first_at=body.first_at,
            last_at=body.last_at,
            open_total=body.open_total,
            acknowledged_total=body.acknowledged_total,
        )

    def _urgent(self, body: DigestBody, today: date) -> tuple[Urgent, ...]:
        """Read the most urgent cases; a webhook needs none, and has a thousand."""
        if self.channel.type is ChannelType.WEBHOOK:
            return ()
        cases = msgspec.json.decode(body.cases, type=list[UrgentCase])
        return tuple(self._urgent_case(case, today) for case in cases)

    def _urgent_case(self, case: UrgentCase, today: date) -> Urgent:
        return Urgent(
            office=case.office or "",
            category=case.category,
            due_date=case.due_date,
            workdays_left=self._left(case, today),
            provisional=self._is_provisional(case.due_date),
        )

    def _is_provisional(self, due: date | None) -> bool:
        return due is not None and self.rules.calendar.is_provisional(due, due)

    def _left(self, case: UrgentCase, today: date) -> int | None:
        if case.due_date is None:
            return None
        return self.rules.calendar.workdays_between(today, case.due_date)

    def _payload(self, claimed: Claimed, body: DigestBody, link: str | None) -> DigestPayload:
        facts = {name: getattr(body, name) for name in DigestFacts.__struct_fields__}
        facts["cases"] = self._told(body.cases)
        return DigestPayload(
            **facts,
            type=DIGEST_TYPE,
            notification_id=str(claimed.notification_id),
            channel=self.channel.name,
            created_at=claimed.created_at.astimezone(SHANGHAI),
            city=self._city(body.city),
            link=link,
        )

    def _told(self, cases: msgspec.Raw) -> msgspec.Raw:
        """Mark the cases whose due date is an estimate by the calendar of now."""
        told = msgspec.json.decode(cases, type=list[ToldCase])
        for case in told:
            case.provisional = self._is_provisional(case.due_date)
        return msgspec.Raw(msgspec.json.encode(told))

    def _city(self, code: str | None) -> CityView:
        place = self.places.cities.get(code or "")
        if place is None:
            return CityView(code=code, name_zh="", name_en="")
        return CityView(code=code, name_zh=place.name_zh, name_en=place.name_en)
