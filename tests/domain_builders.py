"""Calendars, policies, events and cases for the tests of the pure domain."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache

from hypothesis import strategies as st

from rebate_monitor.calendar_sources import work_calendar
from rebate_monitor.domain.assessment import Assessment, assess
from rebate_monitor.domain.case import Case, fold
from rebate_monitor.domain.event import (
    Accepted,
    Approved,
    Attributes,
    CaseEvent,
    Category,
    Corrected,
    EventData,
    EventType,
    Plain,
    Retracted,
    Suspended,
    SuspensionReason,
)
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.policy import (
    Counting,
    NonWorkdayStart,
    Policy,
    PolicyBook,
    Rules,
    Scope,
    StartDay,
    StopAt,
)
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar, YearNotice

CASE_ID = "4301-202403-000001"
SOURCE = "/hunan/14301000000"
OFFICE = "14301000000"
EVERY_COUNTING = tuple(
    Counting(start_day=start_day, non_workday_start=non_workday_start)
    for start_day in StartDay
    for non_workday_start in NonWorkdayStart
)
HUNAN = Policy(
    id="hunan-2023-46",
    title="湘政办发〔2023〕46号",
    effective_from=date(2023, 10, 26),
    effective_to=date(2024, 12, 31),
    default_limit=4,
    limits={Category.I: 3, Category.II: 3},
    targets={Scope.ALL: 4, Scope.CATEGORY_1_2: 3},
)


def day(text: str) -> date:
    """Read an ISO date."""
    return date.fromisoformat(text)


def instant(text: str) -> datetime:
    """Read an ISO date or instant without an offset as Asia/Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@cache
def published_calendar() -> WorkCalendar:
    """Return the calendar that the service starts with: the State Council's notices."""
    return work_calendar()


def year_notice(
    year: int,
    off: Iterable[str] = (),
    worked: Iterable[str] = (),
    *,
    provisional: bool = False,
    title: str | None = "a made-up notice",
) -> YearNotice:
    """Make a notice up from its days off and its make-up workdays."""
    days = {day(text): SpecialDay(kind=DayKind.DAY_OFF, name="放假") for text in off}
    days |= {day(text): SpecialDay(kind=DayKind.MAKEUP_WORKDAY, name="上班") for text in worked}
    return YearNotice(year=year, days=days, notice=title, provisional=provisional)


def policies(policy: Policy = HUNAN) -> PolicyBook:
    """Return a book of one policy."""
    return PolicyBook([policy])


def policy_with(
    *, stop_at: StopAt = StopAt.VOUCHER_ISSUED, counting: Counting | None = None
) -> Policy:
    """Return the Hunan policy with other counting rules."""
    return replace(HUNAN, rules=Rules(stop_at=stop_at, counting=counting or Counting()))


def event(
    kind: EventType,
    when: str,
    data: EventData | None = None,
    *,
    event_id: str | None = None,
    source: str = SOURCE,
) -> CaseEvent:
    """Make an event up; its id follows from its kind and time unless given."""
    return CaseEvent(
        case_id=CASE_ID,
        source=source,
        id=event_id or f"{kind} {when}",
        event_type=kind,
        time=instant(when),
        data=data or Plain(),
    )


def accepted(
    when: str, category: Category | None = Category.III, event_id: str | None = None
) -> CaseEvent:
    """Accept a case of a category."""
    data = Accepted(attributes=Attributes(office=OFFICE, category=category))
    return event(EventType.ACCEPTED, when, data, event_id=event_id)


def corrected(when: str, **changes: str | None) -> CaseEvent:
    """Correct attributes."""
    return event(EventType.CORRECTED, when, Corrected(changes=changes))


def suspended(when: str, reason: SuspensionReason = SuspensionReason.OTHER) -> CaseEvent:
    """Suspend for a reason, by default one that pauses without excluding."""
    return event(EventType.SUSPENDED, when, Suspended(reason=reason))


def resumed(when: str) -> CaseEvent:
    """Resume."""
    return event(EventType.RESUMED, when)


def reviewed(when: str) -> CaseEvent:
    """Finish the review."""
    return event(EventType.REVIEWED, when)


def approved(when: str, *, cash_refund: bool = True) -> CaseEvent:
    """Approve, with or without a cash refund."""
    return event(EventType.APPROVED, when, Approved(cash_refund=cash_refund))


def voucher_issued(when: str) -> CaseEvent:
    """Issue the voucher."""
    return event(EventType.VOUCHER_ISSUED, when)


def paid(when: str) -> CaseEvent:
    """Pay."""
    return event(EventType.PAID, when)


def rejected(when: str) -> CaseEvent:
    """Reject."""
    return event(EventType.REJECTED, when)


def withdrawn(when: str) -> CaseEvent:
    """Withdraw."""
    return event(EventType.WITHDRAWN, when)


def retracted(
    when: str,
    target: CaseEvent | str,
    *,
    source: str | None = None,
    sent_by: str = SOURCE,
    event_id: str | None = None,
) -> CaseEvent:
    """Take an event back, named by its id and, when told, its source."""
    data = Retracted(id=target if isinstance(target, str) else target.id, source=source)
    return event(EventType.RETRACTED, when, data, event_id=event_id, source=sent_by)


def folded(*events: CaseEvent, policy: Policy = HUNAN) -> Case:
    """Fold events under one policy."""
    return fold(CASE_ID, events, policies(policy))


def assessed(
    *events: CaseEvent, policy: Policy = HUNAN, calendar: WorkCalendar | None = None
) -> tuple[Case, Assessment]:
    """Fold and assess events under one policy and the published calendar."""
    case = folded(*events, policy=policy)
    return case, assess(case, calendar or published_calendar())


@dataclass(frozen=True)
class MadeUpCalendar:
    """A calendar of random special days, with the days it was made of for an oracle to read."""

    calendar: WorkCalendar
    specials: Mapping[date, DayKind]
    first: date

    def is_workday(self, on: date) -> bool:
        """Say whether a day is worked without asking the calendar under test."""
        kind = self.specials.get(on)
        return on.weekday() < 5 if kind is None else kind is DayKind.MAKEUP_WORKDAY


MADE_UP_YEARS = (2030, 2031, 2032)
MADE_UP_FIRST = date(2030, 1, 1)
MADE_UP_DAYS = 1096

blocks = st.tuples(
    st.integers(0, MADE_UP_DAYS - 20),
    st.integers(1, 16),
    st.sampled_from([DayKind.DAY_OFF, DayKind.MAKEUP_WORKDAY]),
)


@st.composite
def made_up_calendars(draw: st.DrawFn) -> MadeUpCalendar:
    """Draw three years with random stretches of days off and of make-up workdays."""
    specials: dict[date, DayKind] = {}
    for begin, length, kind in draw(st.lists(blocks, max_size=25)):
        for offset in range(begin, begin + length):
            specials[MADE_UP_FIRST + timedelta(days=offset)] = kind
    notices = [
        YearNotice(
            year=year,
            days={
                on: SpecialDay(kind=kind, name="made up")
                for on, kind in specials.items()
                if on.year == year
            },
            notice="made up",
        )
        for year in MADE_UP_YEARS
    ]
    return MadeUpCalendar(WorkCalendar(notices), specials, MADE_UP_FIRST)


STREAM_START = instant("2024-02-01")
PLAIN_KINDS = (
    EventType.RESUMED,
    EventType.REVIEWED,
    EventType.VOUCHER_ISSUED,
    EventType.PAID,
    EventType.REJECTED,
    EventType.WITHDRAWN,
)
categories = st.none() | st.sampled_from(Category)
stream_ids = [f"e{number}" for number in range(10)]
event_data: st.SearchStrategy[tuple[EventType, EventData]] = st.one_of(
    st.builds(
        lambda category: (
            EventType.ACCEPTED,
            Accepted(attributes=Attributes(office=OFFICE, category=category)),
        ),
        categories,
    ),
    st.builds(
        lambda reason: (EventType.SUSPENDED, Suspended(reason=reason)),
        st.sampled_from(SuspensionReason),
    ),
    st.sampled_from(PLAIN_KINDS).map(lambda kind: (kind, Plain())),
    st.sampled_from([EventType.RESUMED]).map(lambda kind: (kind, Plain())),
    st.builds(
        lambda cash: (EventType.APPROVED, Approved(cash_refund=cash)),
        st.sampled_from([True, False]),
    ),
    st.builds(
        lambda category: (EventType.CORRECTED, Corrected(changes={"category": category})),
        categories,
    ),
)
retractions: st.SearchStrategy[tuple[EventType, EventData]] = st.builds(
    lambda target, source: (EventType.RETRACTED, Retracted(id=target, source=source)),
    st.sampled_from([*stream_ids, "nothing"]),
    st.sampled_from([None, SOURCE, "/other"]),
)
stream_times = st.integers(0, 45 * 8).map(lambda step: STREAM_START + timedelta(hours=3 * step))


def stream_event(
    time: datetime, told: tuple[EventType, EventData], event_id: str, source: str = SOURCE
) -> CaseEvent:
    """Make an event of a random stream."""
    return CaseEvent(
        case_id=CASE_ID, source=source, id=event_id, event_type=told[0], time=time, data=told[1]
    )


@st.composite
def event_streams(draw: st.DrawFn, *, with_retractions: bool = True) -> list[CaseEvent]:
    """Draw the events of one case, surprising ones included, ties in time included.

    Spring Festival 2024 with its two make-up Sundays lies in the middle of the stream.
    """
    kinds = st.one_of(event_data, event_data, retractions) if with_retractions else event_data
    events = [
        stream_event(draw(stream_times), draw(kinds), event_id, draw(st.sampled_from(sources)))
        for event_id in stream_ids[: draw(st.integers(0, len(stream_ids)))]
    ]
    if draw(st.integers(0, 9)):
        time = STREAM_START + timedelta(hours=draw(st.integers(0, 200)))
        category = draw(categories)
        data = Accepted(attributes=Attributes(office=OFFICE, category=category))
        events.append(stream_event(time, (EventType.ACCEPTED, data), "first"))
    return events


sources = [SOURCE, SOURCE, "/other"]
countings = st.sampled_from(EVERY_COUNTING)
stops = st.sampled_from(StopAt)
