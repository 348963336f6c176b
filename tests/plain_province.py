"""The rules of the clock once more, day by day, as plainly as can be: to compare with in a test.

It knows what the model of `test_model.py` can tell: November 2026, which has no holidays, events
that come after the acceptances, the packaged policy. Nothing of the service is used.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

RANK = (
    *("accepted", "corrected", "suspended", "resumed", "reviewed", "approved"),
    *("voucher_issued", "paid", "rejected", "withdrawn"),
)
EXCLUDING = {"verification", "correspondence", "onsite", "hold"}
Event = dict[str, Any]
DAY = timedelta(days=1)


@dataclass
class Judged:
    """What is said of a case."""

    status: str
    verdict: str
    normal: bool
    workdays: int | None


@dataclass
class Province:
    """All that was told, by what an event is known by, and the days that were taken off."""

    events: dict[tuple[str, str, str], Event] = field(default_factory=dict)
    days_off: set[date] = field(default_factory=set)

    def tell(self, event: Event) -> str:
        """Take an event; say what becomes of it."""
        name = (event["subject"], event["source"], event["id"])
        known = self.events.setdefault(name, event)
        if known is event:
            return "accepted"
        same = all(known[part] == event[part] for part in ("type", "time", "data"))
        return "duplicate" if same else "conflict"

    def cases(self) -> set[str]:
        """Return the cases of which anything was told."""
        return {case_id for case_id, _, _ in self.events}

    def is_workday(self, day: date) -> bool:
        """Say whether a day of November is worked."""
        return day.weekday() < 5 and day not in self.days_off

    def count(self, start: date, end: date) -> int:
        """Count the workdays after a day up to and including another."""
        days = (start + DAY * n for n in range(1, (end - start).days + 1))
        return sum(map(self.is_workday, days))

    def judge(self, case_id: str, today: date) -> Judged:
        """Say where a case stands on a day."""
        told = self._standing(case_id)
        first = next((e for e in told if e["kind"] == "accepted"), None)
        if first is None:
            return Judged("unaccepted", "not_applicable", normal=False, workdays=None)
        return _Course(self, first, told, today).judged()

    def _standing(self, case_id: str) -> list[Event]:
        """Return a case's events in their order, without those that were taken back."""
        mine = [
            event
            | {
                "kind": event["type"].rpartition(".")[2],
                "at": datetime.fromisoformat(event["time"]),
            }
            for (case, _, _), event in self.events.items()
            if case == case_id
        ]
        gone = {
            (event["data"].get("source") or event["source"], event["data"]["id"])
            for event in mine
            if event["kind"] == "retracted"
        }
        left = [e for e in mine if e["kind"] != "retracted" and (e["source"], e["id"]) not in gone]
        return sorted(left, key=lambda e: (e["at"], RANK.index(e["kind"]), e["source"], e["id"]))


def _kind(event: Event) -> str:
    return str(event["type"]).rpartition(".")[2]


@dataclass
class _Course:
    """One case, walked through once."""

    province: Province
    first: Event
    told: list[Event]
    today: date
    status: str = "running"
    end: date | None = None
    excluded: bool = False
    paused_on: date | None = None
    pauses: list[tuple[date, date]] = field(default_factory=list)

    def judged(self) -> Judged:
        category = self.first["data"].get("category")
        for event in self.told:
            if event["kind"] == "corrected" and "category" in event["data"]:
                category = event["data"]["category"]
        limit = 3 if category in ("I", "II") else 4
        for event in self._later():
            if self.end is None:
                self._step(event)
        return self._verdict(limit)

    def _step(self, event: Event) -> None:
        kind, day = event["kind"], event["at"].date()
        if kind == "suspended":
            reason = event["data"]["reason"]
            self.excluded |= reason in EXCLUDING
            if reason != "supplement" and self.paused_on is None:
                self.paused_on = day
        elif kind == "resumed":
            self._resume(day)
        elif kind in (self._stop_kind(), "rejected", "withdrawn"):
            self._resume(day)
            self.end = day
            self.status = kind if kind in ("rejected", "withdrawn") else "stopped"

    def _stop_kind(self) -> str:
        """Return what stops the clock: to the letter of DESIGN 3.3, whatever comes first."""
        approved = next((event for event in self._later() if event["kind"] == "approved"), None)
        no_voucher = approved is not None and approved["data"].get("cash_refund") is False
        return "approved" if no_voucher else "voucher_issued"

    def _later(self) -> list[Event]:
        return self.told[self.told.index(self.first) + 1 :]

    def _resume(self, day: date) -> None:
        if self.paused_on is not None:
            self.pauses.append((self.paused_on, day))
            self.paused_on = None

    def _verdict(self, limit: int) -> Judged:
        last = self.end or self.today
        pauses = [*self.pauses, *([(self.paused_on, last)] if self.paused_on else [])]
        count = self.province.count
        workdays = count(self.first["at"].date(), last) - sum(count(*pause) for pause in pauses)
        status = "suspended" if self.paused_on else self.status
        normal = not self.excluded and status not in ("rejected", "withdrawn")
        if status in ("rejected", "withdrawn"):
            verdict = "not_applicable"
        elif status == "stopped":
            verdict = "met" if workdays <= limit else "missed"
        elif workdays > limit:
            verdict = "breached"
        elif workdays >= limit - 1 and status == "running":
            verdict = "at_risk"
        else:
            verdict = "on_track"
        return Judged(status, verdict, normal, workdays)
