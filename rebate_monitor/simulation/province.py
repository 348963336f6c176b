"""A made-up province: who files, how the tax offices process it, and what goes wrong on the way.

Everything follows from the seed and the arguments. Every day has randomness of its own, so a day's
cases are the same in whatever period they are asked for. Volumes and shares: DOMAIN, Volumes [E].
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import accumulate, count
from random import Random
from typing import Any

from rebate_monitor.domain.event import Category, EventType, RebateType, SuspensionReason
from rebate_monitor.domain.local_time import SHANGHAI, local_date, midnight
from rebate_monitor.domain.work_calendar import WorkCalendar
from rebate_monitor.ingest.taxpayer_id import ALPHABET, check_digit

Event = dict[str, Any]
"""One event in the form of DESIGN 4, ready to be encoded as JSON."""

ENTERPRISES = 640
OPENS, CLOSES = 8 * 3600 + 1800, 17 * 3600 + 1800  # seconds of a day, 8:30 and 17:30
LAST_SECOND = 24 * 3600 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A tax office; `pace` is how slow it is, 1 being the province's ordinary."""

    code: str
    name_zh: str
    name_en: str
    pace: float
    weight: float

    @property
    def source(self) -> str:
        """The CloudEvents source of its events."""
        return f"/hunan/{self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """A first-level prefecture: its share of the filings, its pace, its offices by division."""

    weight: float
    pace: float
    offices: Mapping[str, tuple[str, str]]


# Divisions of GB/T 2260; those that end in 91 are zone offices, which the standard does not know.
CITIES = (
    City(
        weight=36,
        pace=0.97,
        offices={
            "430104": ("岳麓区", "Yuelu"),
            "430111": ("雨花区", "Yuhua"),
            "430121": ("长沙县", "Changsha County"),
            "430181": ("浏阳市", "Liuyang"),
            "430182": ("宁乡市", "Ningxiang"),
            "430191": ("长沙高新区", "Changsha High-tech Zone"),
        },
    ),
    City(
        weight=10,
        pace=0.93,
        offices={
            "430202": ("荷塘区", "Hetang"),
            "430211": ("天元区", "Tianyuan"),
            "430281": ("醴陵市", "Liling"),
            "430291": ("株洲高新区", "Zhuzhou High-tech Zone"),
        },
    ),
    City(
        weight=5,
        pace=1.0,
        offices={
            "430302": ("雨湖区", "Yuhu"),
            "430304": ("岳塘区", "Yuetang"),
            "430391": ("湘潭综合保税区", "Xiangtan Bonded Zone"),
        },
    ),
    City(
        weight=9,
        pace=1.04,
        offices={
            "430407": ("石鼓区", "Shigu"),
            "430408": ("蒸湘区", "Zhengxiang"),
            "430426": ("祁东县", "Qidong"),
            "430481": ("耒阳市", "Leiyang"),
            "430491": ("衡阳综合保税区", "Hengyang Bonded Zone"),
        },
    ),
    City(
        weight=7,
        pace=1.15,
        offices={
            "430502": ("双清区", "Shuangqing"),
            "430503": ("大祥区", "Daxiang"),
            "430582": ("邵东市", "Shaodong"),
            "430591": ("邵阳经开区", "Shaoyang Development Zone"),
        },
    ),
    City(
        weight=8,
        pace=0.9,
        offices={
            "430602": ("岳阳楼区", "Yueyanglou"),
            "430681": ("汨罗市", "Miluo"),
            "430682": ("临湘市", "Linxiang"),
            "430691": ("城陵矶新港区", "Chenglingji Port Zone"),
        },
    ),
    City(
        weight=4,
        pace=0.95,
        offices={
            "430702": ("武陵区", "Wuling"),
            "430703": ("鼎城区", "Dingcheng"),
            "430781": ("津市市", "Jinshi"),
        },
    ),
    City(
        weight=1,
        pace=1.1,
        offices={"430802": ("永定区", "Yongding"), "430821": ("慈利县", "Cili")},
    ),
    City(
        weight=4,
        pace=1.0,
        offices={
            "430902": ("资阳区", "Ziyang"),
            "430903": ("赫山区", "Heshan"),
            "430981": ("沅江市", "Yuanjiang"),
        },
    ),
    City(
        weight=8,
        pace=1.02,
        offices={
            "431002": ("北湖区", "Beihu"),
            "431003": ("苏仙区", "Suxian"),
            "431081": ("资兴市", "Zixing"),
            "431091": ("郴州综合保税区", "Chenzhou Bonded Zone"),
        },
    ),
    City(
        weight=4,
        pace=1.12,
        offices={
            "431102": ("零陵区", "Lingling"),
            "431103": ("冷水滩区", "Lengshuitan"),
            "431129": ("江华瑶族自治县", "Jianghua"),
        },
    ),
    City(
        weight=2,
        pace=1.2,
        offices={"431202": ("鹤城区", "Hecheng"), "431281": ("洪江市", "Hongjiang")},
    ),
    City(
        weight=1.5,
        pace=0.98,
        offices={
            "431302": ("娄星区", "Louxing"),
            "431381": ("冷水江市", "Lengshuijiang"),
            "431382": ("涟源市", "Lianyuan"),
        },
    ),
    City(
        weight=0.5,
        pace=1.25,
        offices={"433101": ("吉首市", "Jishou"), "433130": ("龙山县", "Longshan")},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How enterprises of one category fare, before an office's pace.

    `share` is their part of the filings, `usual` the workdays of an ordinary case, `same_day` and
    `slow` the shares done at once and only after `limit` workdays, `risk` how often suspended.
    """

    share: float
    usual: float
    limit: int
    same_day: float
    slow: float
    risk: float


PROFILES: Mapping[Category, Profile] = {
    Category.I: Profile(share=0.10, usual=2.3, limit=3, same_day=0.14, slow=0.06, risk=0.5),
    Category.II: Profile(share=0.35, usual=2.5, limit=3, same_day=0.08, slow=0.09, risk=0.7),
    Category.III: Profile(share=0.50, usual=3.5, limit=4, same_day=0.03, slow=0.15, risk=1.2),
    Category.IV: Profile(share=0.05, usual=3.9, limit=4, same_day=0.0, slow=0.35, risk=2.0),
}
SPREAD_WORKDAYS = 0.6
SLOW_WORKDAYS = 4.0
STUCK_SHARE, STUCK_WORKDAYS = 0.004, (12, 45)

REBATE_TYPES: Mapping[RebateType, float] = {
    RebateType.EXEMPT_REFUND: 0.45,
    RebateType.EXEMPT_CREDIT_REFUND: 0.48,
    RebateType.AGENCY: 0.05,
    RebateType.OTHER: 0.02,
}
WHITELISTED_SHARE = 0.03
MEDIAN_AMOUNT_CNY = 180_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionHabit:
    """How often a reason comes up, how many workdays it lasts, and how often it never ends."""

    share: float
    workdays: tuple[int, int]
    endless: float


SUSPENSIONS: Mapping[SuspensionReason, SuspensionHabit] = {
    SuspensionReason.SUPPLEMENT: SuspensionHabit(share=0.040, workdays=(1, 5), endless=0.01),
    SuspensionReason.VERIFICATION: SuspensionHabit(share=0.020, workdays=(3, 12), endless=0.04),
    SuspensionReason.CORRESPONDENCE: SuspensionHabit(share=0.010, workdays=(12, 50), endless=0.08),
    SuspensionReason.ONSITE: SuspensionHabit(share=0.004, workdays=(4, 12), endless=0.04),
    SuspensionReason.HOLD: SuspensionHabit(share=0.003, workdays=(15, 60), endless=0.15),
    SuspensionReason.OTHER: SuspensionHabit(share=0.003, workdays=(1, 6), endless=0.02),
}

WITHDRAWN_SHARE, WITHDRAWN_REFILED = 0.012, 0.6
REJECTED_SHARE, REJECTED_REFILED = 0.006, 0.2
NO_CASH_SHARE = 0.08  # of the exempt-credit-refund cases: nothing is left to pay out
AMOUNT_CORRECTED, CATEGORY_CORRECTED = 0.008, 0.004
ACCEPTED_BY_MISTAKE, VOUCHER_BY_MISTAKE = 0.004, 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Enterprise:
    """A filing enterprise; `activity` is its weight among all, `scale_cny` its median amount."""

    taxpayer_id: str
    category: Category
    rebate_type: RebateType
    office: Office
    whitelisted: bool
    scale_cny: float
    activity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """One declaration on the way into an office."""

    case_id: str
    enterprise: Enterprise
    accepted_at: datetime
    amount_cny: str
    period: str
    refiled_from: str | None = None

    @property
    def data(self) -> dict[str, object]:
        """The data of its acceptance."""
        told: dict[str, object] = {
            "category": self.enterprise.category.value,
            "office": self.enterprise.office.code,
            "rebate_type": self.enterprise.rebate_type.value,
            "amount_cny": self.amount_cny,
            "taxpayer_id": self.enterprise.taxpayer_id,
            "period": self.period,
            "batch": "001",
            "whitelisted": self.enterprise.whitelisted,
        }
        return told | ({"refiled_from": self.refiled_from} if self.refiled_from else {})


@dataclass(slots=True, kw_only=True)
class Planned:
    """An event to come: when it happens and when it arrives at the service.

    A movable one may happen earlier than planned without making anything else wrong.
    """

    at: datetime
    arrival: datetime
    event: Event
    movable: bool = False
    told: bool = False

    def retime(self, at: datetime) -> None:
        """Let the event happen, and arrive, at another instant."""
        self.at = self.arrival = at
        self.event["time"] = at.isoformat()


MILESTONES = frozenset(
    {EventType.REVIEWED, EventType.APPROVED, EventType.VOUCHER_ISSUED, EventType.PAID}
)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Everything that is planned to happen to one case."""

    filing: Filing
    steps: list[Planned] = field(default_factory=list)

    def tell(
        self, kind: EventType, at: datetime, data: Mapping[str, object] | None = None
    ) -> Planned:
        """Plan an event of the case."""
        event: Event = {
            "specversion": "1.0",
            "id": f"{self.filing.case_id}-{len(self.steps) + 1}",
            "source": self.filing.enterprise.office.source,
            "type": kind.value,
            "subject": self.filing.case_id,
            "time": at.isoformat(),
        }
        if data is not None:
            event["data"] = data
        planned = Planned(at=at, arrival=at, event=event, movable=kind in MILESTONES)
        self.steps.append(planned)
        return planned

    def retract(self, target: Planned, at: datetime) -> None:
        """Plan that an event is taken back; from now on it must keep its id."""
        target.movable = False
        self.tell(EventType.RETRACTED, at, {"id": target.event["id"]})

    def of_kind(self, kind: EventType) -> list[Planned]:
        """Return the planned events of one kind."""
        return [step for step in self.steps if step.event["type"] == kind.value]

    @property
    def next_step(self) -> Planned | None:
        """The earliest event that has not been told."""
        ahead = [step for step in self.steps if not step.told]
        return min(ahead, key=lambda step: step.at, default=None)


class Province:
    """Fourteen cities, their offices and some hundred enterprises, going about their work.

    The same seed and arguments give the same events. `dirt` scales what producers get wrong:
    0 is clean, 1 ordinary. Call `history` first, then `live` as often as wanted.
    """

    def __init__(
        self, *, calendar: WorkCalendar, seed: int = 1, cases_per_month: int = 4000, dirt: float = 1
    ) -> None:
        self._calendar, self._seed = calendar, seed
        self._cases_per_month, self._dirt = cases_per_month, dirt
        rng = Random(f"{seed}-province")
        self.offices = tuple(_offices(rng))
        self.enterprises = tuple(_enterprises(rng, self.offices))
        self._activity = list(accumulate(e.activity for e in self.enterprises))
        self._ahead: list[tuple[datetime, int, Planned, Course]] = []
        self._number = count()
        self._live: _Live | None = None
        self.told_until: datetime | None = None
        """Up to which instant `history` has told everything: for progress bars."""

    def history(self, first: datetime, until: datetime) -> Iterator[Event]:
        """Yield the events that arrive from `first` up to `until`, in the order of their arrival.

        They belong to the cases accepted in that time; what happens to these later stays open.
        Only the times that are deliberately wrong lie elsewhere (and no service takes those).
        """
        day, end = local_date(first), until.astimezone(SHANGHAI)
        while midnight(day) < end:
            for courses in self._courses_of(day):
                if first <= courses[0].filing.accepted_at < end:
                    self._plan(courses)
            day += timedelta(days=1)
            self.told_until = min(midnight(day), end)
            yield from self._due(self.told_until)

    def aftermath(self, until: datetime) -> Iterator[Event]:
        """Yield what is still to come of the cases of a history, up to `until`."""
        self.told_until = until.astimezone(SHANGHAI)
        yield from self._due(self.told_until)

    def live(self, now: datetime) -> list[Event]:
        """Return what has become due, some planned steps taken now, and some new acceptances.

        No time lies after `now`. At night and on rest days, too, something happens every few
        seconds: how much follows from the time since the last call, so it may be called at will.
        """
        instant = now.astimezone(SHANGHAI)
        live = self._live = self._live or self._begin_live(instant)
        events = [*self._due(instant + timedelta.resolution), *live.move(instant)]
        for enterprise in self._choose(live.rng, live.acceptances(instant, quiet=not events)):
            courses = live.accept(enterprise, instant)
            self._plan(courses)
        return [*events, *self._due(instant + timedelta.resolution)]

    def _begin_live(self, start: datetime) -> "_Live":
        tag = f"{start:%y%m%d%H%M%S}"
        rng = Random(f"{self._seed}-live-{tag}")
        open_courses = {course.filing.case_id: course for *_, course in sorted(self._ahead)}
        desk = _Desk(rng, self._calendar, LIVE_SAME_DAY)
        return _Live(tag=tag, rng=rng, desk=desk, courses=list(open_courses.values()))

    def _courses_of(self, day: date) -> Iterator[list[Course]]:
        """Plan each filing of a day: its case, and the next one when it is filed again."""
        rng, mishaps = Random(f"{self._seed}-{day}"), Random(f"{self._seed}-{day}-dirt")
        desk = _Desk(rng, self._calendar)
        for filing in self._filings(rng, day):
            courses = list(desk.process(filing))
            _spoil(mishaps, courses[0], self._dirt)
            yield courses

    def _filings(self, rng: Random, day: date) -> list[Filing]:
        expected = self._cases_per_month * month_share(self._calendar, day)
        number = max(0, round(rng.gauss(expected, expected**0.5 / 2)))
        instants = sorted(_filing_second(rng) for _ in range(number))
        start = midnight(day)
        return [
            _filing(
                rng,
                enterprise,
                start + timedelta(seconds=second),
                f"{self._seed}-{day.day:02}{place:04}",
            )
            for place, (second, enterprise) in enumerate(
                zip(instants, self._choose(rng, number), strict=True), start=1
            )
        ]

    def _choose(self, rng: Random, number: int) -> list[Enterprise]:
        return rng.choices(self.enterprises, cum_weights=self._activity, k=number)

    def _plan(self, courses: Iterable[Course]) -> None:
        for course in courses:
            for step in course.steps:
                heapq.heappush(self._ahead, (step.arrival, next(self._number), step, course))

    def _due(self, before: datetime) -> Iterator[Event]:
        while self._ahead and self._ahead[0][0] < before:
            step = heapq.heappop(self._ahead)[2]
            if not step.told:
                step.told = True
                yield step.event


SECONDS_PER_CASE, SECONDS_PER_STEP = 12.0, 3.0
QUIET_SECONDS = 5.0
LONGEST_SECONDS = 60.0  # after a longer silence only the planned course catches up
LIVE_SAME_DAY = 0.3  # far more is accepted than in earnest: cases done at once would swamp the mean
LOOKED_AT = 8
VOUCHER_CHANCE = 0.1
VOUCHER_WORKDAYS = (3, 4)


@dataclass(slots=True, kw_only=True)
class _Live:
    """The present: open cases of which some are taken a step further whenever anybody looks.

    `tag` tells one run from the next on the same database; it is part of every new id.
    """

    tag: str
    rng: Random
    desk: "_Desk"
    courses: list[Course]
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    moved_at: datetime | None = None
    accepted_at: datetime | None = None
    busy_at: datetime | None = None

    def move(self, now: datetime) -> list[Event]:
        """Let some open cases take their next step now."""
        number = self._some(_seconds(self.moved_at, now) / SECONDS_PER_STEP)
        self.moved_at = now
        steps = (self._choose(now) for _ in range(number))
        return [self._take(step, now) for step in steps if step is not None]

    def acceptances(self, now: datetime, *, quiet: bool) -> int:
        """Return how many cases are accepted now: at least one after some quiet seconds."""
        number = self._some(_seconds(self.accepted_at, now) / SECONDS_PER_CASE)
        self.accepted_at = now
        if quiet and _seconds(self.busy_at, now) >= QUIET_SECONDS:
            number = max(1, number)
        if number or not quiet:
            self.busy_at = now
        return number

    def accept(self, enterprise: Enterprise, now: datetime) -> list[Course]:
        """Accept a case now and plan what will happen to it."""
        filing = _filing(self.rng, enterprise, now, f"{self.tag}-{next(self.numbers):05}")
        courses = list(self.desk.process(filing))
        self.courses += courses
        return courses

    def _some(self, expected: float) -> int:
        """Draw a number that is `expected` in the mean."""
        return int(expected + self.rng.random())

    def _take(self, step: Planned, now: datetime) -> Event:
        # Its planned self may come from another run as well: the same id must not say two things.
        step.event["id"] = f"{step.event['id']}-{self.tag}"
        step.retime(now)
        step.told = True
        return step.event

    def _choose(self, now: datetime) -> Planned | None:
        """Choose, of some cases, the one whose next step is nearest: paces stay believable."""
        looked_at = self.rng.sample(self.courses, min(LOOKED_AT, len(self.courses)))
        nearest: Planned | None = None
        for course in looked_at:
            step = course.next_step
            if step is None:
                self.courses.remove(course)
            elif self._may_move(course, step, now) and (nearest is None or step.at < nearest.at):
                nearest = step
        return nearest

    def _may_move(self, course: Course, step: Planned, now: datetime) -> bool:
        """Say whether a step may be taken now; vouchers only so that the means stay as they are."""
        if not step.movable or step.at <= now:
            return False
        if step.event["type"] != EventType.VOUCHER_ISSUED.value:
            return True
        least, most = VOUCHER_WORKDAYS
        workdays = self.desk.workdays_between(course.filing.accepted_at, now)
        return least <= workdays <= most and self.rng.random() < VOUCHER_CHANCE


def _seconds(last: datetime | None, now: datetime) -> float:
    """Return the seconds to make up for."""
    past = (now - last).total_seconds() if last else LONGEST_SECONDS
    return max(0.0, min(LONGEST_SECONDS, past))


class _Desk:
    """Processes filings by the work calendar, each to its end, with randomness of its own.

    `same_day` scales how many are done at once.
    """

    def __init__(self, rng: Random, calendar: WorkCalendar, same_day: float = 1) -> None:
        self._rng, self._calendar, self._same_day = rng, calendar, same_day

    def process(self, filing: Filing) -> Iterator[Course]:
        """Plan the case of a filing and, when it is filed again, the next one."""
        course = Course(filing)
        at = self._accept(course)
        self._correct(course, at)
        refiled_at = self._work_on(course, at)
        yield course
        if refiled_at is not None:
            yield from self.process(
                replace(
                    filing,
                    case_id=f"{filing.case_id}-R",
                    accepted_at=refiled_at,
                    refiled_from=filing.case_id,
                )
            )

    def workdays_between(self, start: datetime, end: datetime) -> int:
        """Return the workdays from one instant to another."""
        return self._calendar.workdays_between(start.date(), end.date())

    def _happens(self, share: float) -> bool:
        return self._rng.random() < share

    def _accept(self, course: Course) -> datetime:
        filing = course.filing
        at = filing.accepted_at
        if self._happens(ACCEPTED_BY_MISTAKE):
            wrong = {**filing.data, "amount_cny": f"{filing.amount_cny[:-3]}0.00"}
            mistake = course.tell(EventType.ACCEPTED, at, wrong)
            at = self._soon(at)
            course.tell(EventType.ACCEPTED, at, filing.data)
            course.retract(mistake, self._soon(at))
        else:
            course.tell(EventType.ACCEPTED, at, filing.data)
        return at

    def _correct(self, course: Course, at: datetime) -> None:
        if self._happens(AMOUNT_CORRECTED):
            amount = f"{float(course.filing.amount_cny) * self._rng.uniform(0.8, 1.1):.2f}"
            when = self._after(at, self._rng.randint(0, 6))
            course.tell(EventType.CORRECTED, when, {"amount_cny": amount})
        if self._happens(CATEGORY_CORRECTED):
            category = self._rng.choice(list(Category)).value
            when = self._after(at, self._rng.randint(0, 2))
            course.tell(EventType.CORRECTED, when, {"category": category})

    def _work_on(self, course: Course, at: datetime) -> datetime | None:
        """Plan everything after acceptance; return when it is filed again, if it is."""
        workdays = self._workdays(course.filing.enterprise)
        free = self._suspend(course, at) if workdays else at
        if free is None:
            return None
        if self._happens(WITHDRAWN_SHARE):
            return self._withdraw(course, free)
        review, approval, voucher = self._split(free, workdays)
        reviewed = self._after(free, review)
        course.tell(EventType.REVIEWED, reviewed)
        if self._happens(REJECTED_SHARE):
            return self._reject(course, reviewed)
        self._approve(course, self._after(reviewed, approval), voucher)
        return None

    def _workdays(self, enterprise: Enterprise) -> int:
        """Draw the workdays from acceptance to the voucher, suspensions aside."""
        profile, pace = PROFILES[enterprise.category], enterprise.office.pace
        if self._happens(profile.same_day * self._same_day / pace):
            return 0
        if self._happens(STUCK_SHARE):
            return self._rng.randint(*STUCK_WORKDAYS)
        if self._happens(profile.slow * pace**2):
            return profile.limit + 1 + int(self._rng.expovariate(1 / (SLOW_WORKDAYS * pace)))
        return max(1, round(self._rng.gauss(profile.usual * pace, SPREAD_WORKDAYS)))

    def _suspend(self, course: Course, at: datetime) -> datetime | None:
        """Plan a suspension, if there is one; return when work goes on, None for never."""
        reason = self._reason(PROFILES[course.filing.enterprise.category].risk)
        if reason is None:
            return at
        habit = SUSPENSIONS[reason]
        suspended = self._after(at, 0 if self._is_open(at) else 1)
        course.tell(EventType.SUSPENDED, suspended, {"reason": reason.value})
        if self._happens(habit.endless):
            return None
        resumed = self._after(suspended, self._rng.randint(*habit.workdays))
        course.tell(EventType.RESUMED, resumed)
        return resumed

    def _reason(self, risk: float) -> SuspensionReason | None:
        roll = self._rng.random() / risk
        for reason, habit in SUSPENSIONS.items():
            roll -= habit.share
            if roll < 0:
                return reason
        return None

    def _split(self, at: datetime, workdays: int) -> tuple[int, int, int]:
        """Split the workdays of a case into review, approval and voucher."""
        least = 0 if self._is_open(at) else min(1, workdays)
        review = max(least, round(workdays * self._rng.uniform(0.35, 0.75)))
        approval = self._rng.randint(0, workdays - review)
        return review, approval, workdays - review - approval

    def _withdraw(self, course: Course, at: datetime) -> datetime | None:
        withdrawn = self._after(at, self._rng.randint(0, 2))
        course.tell(EventType.WITHDRAWN, withdrawn)
        return self._refiled(withdrawn) if self._happens(WITHDRAWN_REFILED) else None

    def _reject(self, course: Course, at: datetime) -> datetime | None:
        rejected = self._after(at, self._rng.randint(1, 3))
        course.tell(EventType.REJECTED, rejected)
        return self._refiled(rejected) if self._happens(REJECTED_REFILED) else None

    def _refiled(self, at: datetime) -> datetime:
        return self._after(at, self._rng.randint(1, 8))

    def _approve(self, course: Course, approved: datetime, voucher: int) -> None:
        credit = course.filing.enterprise.rebate_type is RebateType.EXEMPT_CREDIT_REFUND
        if credit and self._happens(NO_CASH_SHARE):
            # Nothing follows an approval without cash: the work lies before it, it is final.
            at = self._after(approved, voucher)
            course.tell(EventType.APPROVED, at, {"cash_refund": False}).movable = False
            return
        course.tell(EventType.APPROVED, approved)
        if voucher and self._happens(VOUCHER_BY_MISTAKE):
            mistake = course.tell(EventType.VOUCHER_ISSUED, self._soon(approved))
            course.retract(mistake, self._soon(mistake.at))
        issued = self._after(approved, voucher)
        course.tell(EventType.VOUCHER_ISSUED, issued)
        course.tell(EventType.PAID, self._after(issued, self._rng.choice((0, 1, 1, 1, 2, 3))))

    def _is_open(self, at: datetime) -> bool:
        """Say whether the office still works on the day of an instant."""
        hours = at.hour * 3600 + at.minute * 60
        return hours < CLOSES and self._calendar.kind(at.date()).is_workday

    def _after(self, at: datetime, workdays: int) -> datetime:
        """Return an instant so many workdays after another, within office hours if they last."""
        if workdays == 0:
            return self._soon(at)
        number = self._calendar.workdays_through(at.date()) + workdays
        day = self._calendar.workday_number(number)
        return midnight(day) + timedelta(seconds=self._rng.randint(OPENS, CLOSES))

    def _soon(self, at: datetime) -> datetime:
        """Return a later instant of the same day."""
        second = at.hour * 3600 + at.minute * 60 + at.second
        end = CLOSES if second < CLOSES else LAST_SECOND
        return at + timedelta(seconds=int((end - second) * self._rng.uniform(0.02, 0.4)))


def _spoil(rng: Random, course: Course, dirt: float) -> None:
    """Let the producer get at most one thing wrong about a case."""
    roll = rng.random()
    for share, mistake in MISTAKES:
        roll -= share * dirt
        if roll < 0:
            mistake(rng, course)
            return


def _repeat(rng: Random, course: Course) -> None:
    """Send an event twice."""
    step = rng.choice(course.steps)
    again = replace(step, arrival=step.arrival + _pause(rng, hours=6), movable=False)
    course.steps.append(again)


def _delay(rng: Random, course: Course) -> None:
    """Send an event hours or days late."""
    step = rng.choice(course.steps)
    step.arrival += _pause(rng, hours=rng.choice((4, 24, 72)))


def _forget_category(rng: Random, course: Course) -> None:
    """Accept a case without its category; half of them are corrected the next day."""
    accepted = course.of_kind(EventType.ACCEPTED)[-1]
    category = accepted.event["data"]["category"]
    accepted.event["data"]["category"] = None
    if rng.random() < 1 / 2:
        course.tell(EventType.CORRECTED, accepted.at + timedelta(days=1), {"category": category})


def _pay_before_acceptance(_rng: Random, course: Course) -> None:
    """Handle a case at once, with the treasury's clock a second behind the office's."""
    if course.of_kind(EventType.SUSPENDED) or course.of_kind(EventType.RETRACTED):
        return
    at = course.filing.accepted_at
    for step in course.steps:
        if step.movable:
            step.retime(at)
    for paid in course.of_kind(EventType.PAID):
        paid.retime(at - timedelta(seconds=1))
        paid.arrival = at


def _lose(rng: Random, course: Course) -> None:
    """Never send one of the milestones."""
    milestones = [step for step in course.steps if step.movable]
    if milestones:
        lost = rng.choice(milestones)
        course.steps[:] = [step for step in course.steps if step is not lost]


def _send_invalid(rng: Random, course: Course) -> None:
    """Send, beside an event, a copy that no service may take."""
    step = course.of_kind(EventType.ACCEPTED)[-1]
    wrong = rng.choice((_with_short_office, _with_far_year, _without_offset))(step)
    wrong["id"] = f"{step.event['id']}-x"
    course.steps.append(Planned(at=step.at, arrival=course.filing.accepted_at, event=wrong))


def _with_short_office(step: Planned) -> Event:
    data = step.event["data"]
    return {**step.event, "data": {**data, "office": data["office"][1:7]}}


def _with_far_year(step: Planned) -> Event:
    return {**step.event, "time": f"29{step.event['time'][2:]}"}


def _without_offset(step: Planned) -> Event:
    return {**step.event, "time": step.at.replace(tzinfo=None).isoformat()}


def _contradict(rng: Random, course: Course) -> None:
    """Send an acceptance again under the same id with another amount."""
    step = course.of_kind(EventType.ACCEPTED)[-1]
    data = step.event["data"]
    other = {**step.event, "data": {**data, "amount_cny": f"1{data['amount_cny']}"}}
    arrival = step.arrival + _pause(rng, hours=2)
    course.steps.append(Planned(at=step.at, arrival=arrival, event=other))


def _pause(rng: Random, *, hours: float) -> timedelta:
    return timedelta(seconds=rng.randint(1, int(hours * 3600)))


MISTAKES: Sequence[tuple[float, Callable[[Random, Course], None]]] = (
    (0.001, _contradict),
    (0.001, _pay_before_acceptance),
    (0.0015, _send_invalid),
    (0.004, _forget_category),
    (0.01, _lose),
    (0.02, _delay),
    (0.02, _repeat),
)
"""What producers get wrong, as shares of the cases at dirt 1; the rare first, to outlive excess."""


WAVE_FIRST, WAVE_LAST, WAVE_PEAK = 8, 18, 14
REST_DAY_WEIGHT = 0.05


def month_share(calendar: WorkCalendar, day: date) -> float:
    """Return a day's share of its month's filings: most come on days 8 to 18, few on rest days."""
    first = day.replace(day=1)
    weights = [
        _day_weight(calendar, first + timedelta(days=offset))
        for offset in range(31)
        if (first + timedelta(days=offset)).month == day.month
    ]
    return weights[day.day - 1] / sum(weights)


def _day_weight(calendar: WorkCalendar, day: date) -> float:
    wave = WAVE_FIRST <= day.day <= WAVE_LAST
    weight = 3.3 - abs(day.day - WAVE_PEAK) * 0.2 if wave else 1.0
    return weight if calendar.kind(day).is_workday else weight * REST_DAY_WEIGHT


HOURS = ((OPENS, 43200), (43200, 50400), (50400, CLOSES), (CLOSES, LAST_SECOND), (0, OPENS))
HOUR_SHARES = (0.53, 0.90, 0.965, 0.99, 1.0)  # of the stretches above, running


def _filing_second(rng: Random) -> int:
    """Draw the second of the day at which a filing is accepted."""
    roll = rng.random()
    stretch = next(place for place, share in enumerate(HOUR_SHARES) if roll < share)
    return rng.randint(*HOURS[stretch])


def _filing(rng: Random, enterprise: Enterprise, at: datetime, number: str) -> Filing:
    amount = max(100.0, rng.lognormvariate(0, 0.7) * enterprise.scale_cny)
    months_ago = rng.choice((1, 1, 1, 1, 1, 1, 2, 3))
    return Filing(
        case_id=f"{enterprise.office.code[1:5]}-{at:%Y%m}-{number}",
        enterprise=enterprise,
        accepted_at=at,
        amount_cny=f"{amount:.2f}",
        period=_month_before(at.date(), months_ago),
    )


def _month_before(day: date, months: int) -> str:
    """Return the month so many months before a day's as YYYYMM."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return f"{year}{month + 1:02}"


def _offices(rng: Random) -> Iterator[Office]:
    for city in CITIES:
        for division, (name_zh, name_en) in city.offices.items():
            yield Office(
                code=f"1{division}0000",
                name_zh=name_zh,
                name_en=name_en,
                pace=city.pace * rng.uniform(0.94, 1.06),
                weight=city.weight / len(city.offices) * rng.uniform(0.7, 1.3),
            )


def _enterprises(rng: Random, offices: Sequence[Office]) -> Iterator[Enterprise]:
    """Yield the enterprises; every office has at least one, and the shares of categories hold."""
    weights = [office.weight for office in offices]
    chosen = [*offices, *rng.choices(offices, weights, k=ENTERPRISES - len(offices))]
    categories = [c for c, p in PROFILES.items() for _ in range(round(p.share * ENTERPRISES))]
    rng.shuffle(categories)
    for office, category in zip(chosen, categories, strict=True):
        yield Enterprise(
            taxpayer_id=_taxpayer_id(rng, office),
            category=category,
            rebate_type=rng.choices(list(REBATE_TYPES), list(REBATE_TYPES.values()))[0],
            office=office,
            whitelisted=rng.random() < WHITELISTED_SHARE,
            scale_cny=MEDIAN_AMOUNT_CNY * rng.lognormvariate(0, 1.0),
            activity=rng.lognormvariate(0, 0.5),
        )


def _taxpayer_id(rng: Random, office: Office) -> str:
    body = f"91{office.code[1:7]}{''.join(rng.choices(ALPHABET, k=9))}"
    return body + check_digit(body)
