"""The simulated province, the producer that posts its events, and the command around both."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from domain_builders import day, instant, published_calendar
from rebate_monitor.cli.simulate import simulate
from rebate_monitor.domain.assessment import Assessment
from rebate_monitor.domain.case import Anomaly, Case, Status
from rebate_monitor.domain.event import CaseEvent, Category, EventType
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest.decision import CONFLICT, Outcome, decide
from rebate_monitor.ingest.incoming import Incoming
from rebate_monitor.ingest.taxpayer_id import is_taxpayer_id
from rebate_monitor.ingest.wire import Rejection, decode_event
from rebate_monitor.places import places
from rebate_monitor.policy_file import policy_book
from rebate_monitor.simulation.producer import BATCH, EVENT, Counts, Producer, ProducerError
from rebate_monitor.simulation.province import Event, Province, month_share
from rebate_monitor.storage.case_events import NewEvent

FIRST, UNTIL = instant("2026-08-01"), instant("2026-11-01")
NOW = instant("2026-11-01")
KEY = "a key of the simulated office"


def province(seed: int = 1, cases_per_month: int = 1500, dirt: float = 1) -> Province:
    """Return a province that is small enough for a test."""
    return Province(
        calendar=published_calendar(), seed=seed, cases_per_month=cases_per_month, dirt=dirt
    )


@cache
def events(dirt: float, seed: int = 1) -> tuple[Event, ...]:
    """Return three months of a province."""
    return tuple(province(seed, dirt=dirt).history(FIRST, UNTIL))


def decoded(event: Event, now: datetime = NOW) -> NewEvent | Rejection:
    """Read an event as the service does."""
    return decode_event(msgspec.json.encode(event), now)


def taken(told: Iterable[Event], now: datetime = NOW) -> list[CaseEvent]:
    """Return what the service would take of some events."""
    read = (decoded(event, now) for event in told)
    return [new.event for new in read if isinstance(new, NewEvent)]


def outcomes(told: Iterable[Event]) -> Counter[Outcome]:
    """Count what becomes of some events."""
    batch = [
        Incoming(index=index, body=b"", decoded=decoded(event)) for index, event in enumerate(told)
    ]
    return Counter(result.outcome for result in decide(batch, {}, {}).results)


@cache
def assessed(dirt: float) -> tuple[tuple[Case, Assessment], ...]:
    """Fold and assess every case of three months."""
    rulebook = Rulebook(policies=policy_book(), calendar=published_calendar())
    cases: dict[str, dict[tuple[str, str], CaseEvent]] = defaultdict(dict)
    for event in taken(events(dirt)):
        cases[event.case_id].setdefault(event.identity, event)
    return tuple(rulebook.assess(case_id, told.values()) for case_id, told in cases.items())


def means(dirt: float, scope: Scope) -> dict[str, float]:
    """Return the mean workdays of the normal stopped cases of a scope by city."""
    workdays: dict[str, list[int]] = defaultdict(list)
    for case, assessment in assessed(dirt):
        told, count = case.attributes, assessment.counted_workdays
        if told is None or count is None or not scope.covers(told.category):
            continue
        if assessment.normal and case.status is Status.STOPPED:
            workdays[told.city].append(count)
            workdays["province"].append(count)
    return {city: sum(counts) / len(counts) for city, counts in workdays.items()}


def acceptances(told: Iterable[Event]) -> list[Event]:
    """Return the acceptances among some events."""
    return [event for event in told if event["type"] == EventType.ACCEPTED]


def identity(event: Event) -> tuple[str, str, str]:
    """Return what an event is known by."""
    return (event["subject"], event["source"], event["id"])


class TestHistory:
    def test_the_same_seed_tells_the_same_events(self) -> None:
        """Two provinces of one seed tell the same history, event by event."""
        assert events(1.0) == tuple(province().history(FIRST, UNTIL))

    def test_another_seed_tells_other_cases(self) -> None:
        """Two seeds share no case, so both can be posted to one database."""
        mine = {event["subject"] for event in events(1.0)}
        other = {event["subject"] for event in events(1.0, seed=2)}

        assert set() == mine & other

    def test_a_day_is_the_same_in_every_period(self) -> None:
        """A case does not depend on where the history begins, so periods may overlap."""
        later = province(dirt=0).history(instant("2026-10-01"), UNTIL)
        told = {event["id"]: event for event in events(0.0)}

        assert all(told[event["id"]] == event for event in later)

    def test_periods_can_follow_each_other(self) -> None:
        """History told in two parts is the history told at once."""
        middle = instant("2026-09-10") + timedelta(hours=11)
        whole, parts = list(province().history(FIRST, UNTIL)), province()

        assert whole == [*parts.history(FIRST, middle), *parts.history(middle, UNTIL)]

    def test_it_keeps_to_the_period(self) -> None:
        """Nothing that the service takes is older than the period or lies after its end."""
        times = [event.time for event in taken(events(1.0))]

        assert min(times) >= FIRST - timedelta(seconds=1)
        assert max(times) < UNTIL

    def test_progress_reaches_the_end(self) -> None:
        """What has been told is known, for progress bars."""
        told = province(cases_per_month=10)
        list(told.history(FIRST, UNTIL))

        assert UNTIL == told.told_until

    def test_clean_events_arrive_in_order(self) -> None:
        """Without dirt every event arrives as it happens."""
        times = [event.time for event in taken(events(0.0))]

        assert all(earlier <= later for earlier, later in pairwise(times))

    def test_dirt_disturbs_the_order(self) -> None:
        """With dirt some events arrive hours or days late."""
        times = [event.time for event in taken(events(1.0))]
        late = [earlier - later for earlier, later in pairwise(times) if later < earlier]

        assert max(late) > timedelta(hours=24)
        assert 0.001 < len(late) / len(times) < 0.02


class TestEvents:
    def test_every_clean_event_is_taken(self) -> None:
        """Without dirt the service accepts each event as new."""
        assert {Outcome.ACCEPTED: len(events(0.0))} == outcomes(events(0.0))

    def test_every_attribute_is_told_at_acceptance(self) -> None:
        """An acceptance tells all about the declaration, with a valid taxpayer id."""
        told = [event["data"] for event in acceptances(events(0.0))]

        assert all(is_taxpayer_id(data["taxpayer_id"]) for data in told)
        assert {"001"} == {data["batch"] for data in told}
        assert all(len(data["period"]) == 6 for data in told)
        assert {True, False} == {data["whitelisted"] for data in told}
        assert all(data["amount_cny"][-3] == "." for data in told)

    def test_every_type_and_reason_occurs(self) -> None:
        """All eleven event types and all six suspension reasons happen in three months."""
        told = events(0.0)
        reasons = Counter(e["data"]["reason"] for e in told if e["type"] == EventType.SUSPENDED)

        assert set(EventType) == {event["type"] for event in told}
        assert [
            "supplement",
            "verification",
            "correspondence",
        ] == [reason for reason, _ in reasons.most_common(3)]
        assert {"onsite", "hold", "other"} <= reasons.keys()

    def test_a_clean_case_has_no_anomaly(self) -> None:
        """What surprises the fold comes from dirt only."""
        anomalies = [anomaly for case, _ in assessed(0.0) for anomaly in case.anomalies]

        # A mistaken acceptance that is not yet retracted on the last evening may stand beside its
        # successor; nothing else does.
        assert set(anomalies) <= {Anomaly.ACCEPTED_AGAIN}
        assert len(anomalies) <= 1

    def test_some_cases_are_filed_again(self) -> None:
        """A withdrawn or rejected declaration may come again, linked to the first."""
        told = acceptances(events(0.0))
        cases = {event["subject"] for event in told}
        refiled = [e["data"]["refiled_from"] for e in told if "refiled_from" in e["data"]]

        assert 5 < len(refiled) < 100
        assert cases.issuperset(refiled)

    def test_all_cities_and_zone_offices_file(self) -> None:
        """Every city of Hunan has cases, Changsha most; zone offices belong to their city."""
        offices = Counter(event["data"]["office"] for event in acceptances(events(0.0)))
        cities: Counter[str] = Counter()
        for office, cases in offices.items():
            cities[f"{office[1:5]}00"] += cases

        assert places().cities.keys() == cities.keys()
        assert "430100" == cities.most_common(1)[0][0]
        assert "14301910000" in offices
        assert all(2 <= len({o for o in offices if o[1:5] == c[:4]}) <= 6 for c in cities)


class TestDirt:
    def test_the_invalid_ones_are_refused(self) -> None:
        """A short office code, a far year and a time without an offset are refused, each."""
        refused = [
            read.detail for event in events(10.0) if isinstance(read := decoded(event), Rejection)
        ]

        assert {"data.office", "time"} == {detail.partition(":")[0] for detail in refused}
        assert {True, False} == {"ahead" in d for d in refused if d.startswith("time")}

    def test_the_rates_are_small(self) -> None:
        """Of some thousand events a few are repeated, refused or contradict an earlier one."""
        counts = outcomes(events(1.0))
        total = counts.total()

        assert 0.002 < counts[Outcome.DUPLICATE] / total < 0.008
        assert 0 < counts[Outcome.REJECTED] / total < 0.001
        assert 0 < counts[Outcome.CONFLICT] / total < 0.001

    def test_identities_are_unique_but_for_repeats_and_conflicts(self) -> None:
        """An identity that comes twice is a deliberate repeat or contradiction."""
        counts = outcomes(events(1.0))
        identities = Counter(identity(event) for event in events(1.0))

        assert counts[Outcome.DUPLICATE] + counts[Outcome.CONFLICT] == sum(
            times - 1 for times in identities.values()
        )

    def test_a_conflict_says_so(self) -> None:
        """The second acceptance of one id tells another amount and changes nothing."""
        batch = [
            Incoming(index=index, body=b"", decoded=decoded(event))
            for index, event in enumerate(events(1.0))
        ]
        decision = decide(batch, {}, {})

        assert CONFLICT in {refused.detail for refused in decision.refused}

    def test_it_brings_the_surprises_of_real_data(self) -> None:
        """Unknown categories, payments before acceptance and missing milestones occur."""
        anomalies = Counter(anomaly for case, _ in assessed(1.0) for anomaly in case.anomalies)

        assert {
            Anomaly.UNKNOWN_CATEGORY,
            Anomaly.BEFORE_ACCEPTANCE,
            Anomaly.PAID_WITHOUT_STOP,
        } <= anomalies.keys()
        assert anomalies.total() < 0.02 * len(assessed(1.0))

    def test_beneath_it_lies_the_same_province(self) -> None:
        """Dirt changes what is sent about the cases, not which cases there are."""
        clean = {event["subject"] for event in events(0.0)}

        assert clean == {event["subject"] for event in events(1.0)}


class TestFigures:
    def test_the_month_has_its_wave(self) -> None:
        """Days 8 to 18 of an ordinary month hold about 60 % of the filings."""
        days = Counter(
            event.time.day for event in taken(acceptances(events(0.0))) if event.time.month == 9
        )
        wave = sum(cases for on, cases in days.items() if 8 <= on <= 18)

        assert 0.5 < wave / days.total() < 0.7

    def test_the_shares_of_a_month_add_up(self) -> None:
        """The filings of a month are spread over all its days."""
        days = [day(f"2024-02-{number:02}") for number in range(1, 30)]

        assert pytest.approx(1) == sum(month_share(published_calendar(), on) for on in days)

    def test_the_volume_is_as_asked(self) -> None:
        """About as many cases are accepted in a month as asked for."""
        assert 4000 < len({event["subject"] for event in acceptances(events(0.0))}) < 5000

    def test_most_is_filed_in_office_hours(self) -> None:
        """Most filings come from 8:30 to 17:30 on workdays, a few at night and on rest days."""
        times = [event.time for event in taken(acceptances(events(0.0)))]
        office = [t for t in times if 8.5 <= t.hour + t.minute / 60 <= 17.5]
        rest = [t for t in times if not published_calendar().kind(t.date()).is_workday]

        assert 0.9 < len(office) / len(times) < 0.995
        assert 0.002 < len(rest) / len(times) < 0.05

    def test_the_categories_have_their_shares(self) -> None:
        """About a tenth of the cases is I, a third II, half III, and few are IV."""
        told = Counter(event["data"]["category"] for event in acceptances(events(0.0)))
        shares = {category: cases / told.total() for category, cases in told.items()}

        assert 0.06 < shares[Category.I] < 0.14
        assert 0.28 < shares[Category.II] < 0.42
        assert 0.43 < shares[Category.III] < 0.57
        assert 0.02 < shares[Category.IV] < 0.09

    @pytest.mark.parametrize("dirt", [0.0, 1.0])
    def test_the_means_are_plausible(self, dirt: float) -> None:
        """The province stays a little under its targets of 4 and 3 workdays."""
        assert 3.0 < means(dirt, Scope.ALL)["province"] < 4.0
        assert 2.0 < means(dirt, Scope.CATEGORY_1_2)["province"] < 3.0

    def test_some_cities_are_over_the_target(self) -> None:
        """A ranking of cities has both ends."""
        cities = means(0.0, Scope.ALL)

        assert max(cities.values()) > 4
        assert min(cities.values()) < 3.5

    def test_some_cases_are_immediate_and_some_are_late(self) -> None:
        """A few cases end on their first day, most in time, and a backlog is over its limit."""
        stopped = [a for c, a in assessed(0.0) if c.status is Status.STOPPED and a.normal]
        running = [a for c, a in assessed(0.0) if c.status is Status.RUNNING]
        overdue = [a for a in running if a.breach_at is not None and a.breach_at <= NOW]

        assert 0.03 < sum(bool(a.same_day) for a in stopped) / len(stopped) < 0.1
        assert 0.7 < sum(bool(a.in_time) for a in stopped) / len(stopped) < 0.9
        assert 10 < len(overdue) < 0.05 * len(stopped)


def lively(
    start: datetime, calls: int = 40, every: timedelta = timedelta(seconds=15), seed: int = 1
) -> Iterator[tuple[datetime, list[Event]]]:
    """Look at a province again and again after a month of history."""
    told = province(seed)
    list(told.history(start - timedelta(days=30), start))
    for call in range(1, calls + 1):
        now = start + call * every
        yield now, told.live(now)


NIGHT, NOON = instant("2026-10-02") + timedelta(hours=2), instant("2026-09-16T12:00")


class TestLive:
    @pytest.mark.parametrize("start", [NIGHT, NOON], ids=["night-of-a-holiday", "noon"])
    def test_something_always_happens(self, start: datetime) -> None:
        """Every look brings events, acceptances and steps of open cases among them."""
        looks = [told for _, told in lively(start)]
        kinds = Counter(event["type"] for told in looks for event in told)

        assert all(looks)
        assert kinds[EventType.ACCEPTED] > 20
        assert kinds[EventType.REVIEWED] > 20
        assert kinds[EventType.APPROVED] > 20

    def test_an_impatient_caller_sees_it_within_seconds(self) -> None:
        """Asked every second, a new event comes at the latest after some seconds of quiet."""
        looks = [bool(told) for _, told in lively(NIGHT, 120, timedelta(seconds=1))]

        assert all(any(looks[place : place + 6]) for place in range(len(looks) - 6))

    def test_nothing_lies_after_now(self) -> None:
        """No event is dated after the moment it is told."""
        for now, told in lively(NOON, calls=200, every=timedelta(minutes=7)):
            assert all(event.time <= now for event in taken(told, now + timedelta(days=1)))

    def test_everything_is_taken(self) -> None:
        """What happens live is valid at once, so the figures move."""
        for now, told in lively(NOON):
            assert not [e for e in told if isinstance(decoded(e, now), Rejection)]

    def test_new_acceptances_are_of_this_moment(self) -> None:
        """A case that the trickle brings is accepted now."""
        now, told = next(lively(NOON))

        assert {now} == {event.time for event in taken(acceptances(told), now)}

    def test_planned_courses_go_on(self) -> None:
        """After a workday of silence the open cases have moved as planned."""
        told = province()
        list(told.history(FIRST, NOON))
        later = told.live(NOON + timedelta(days=1))

        assert sum(event["type"] == EventType.VOUCHER_ISSUED for event in later) > 20

    def test_the_same_looks_see_the_same(self) -> None:
        """Asked at the same moments, a seed tells the same."""
        assert list(lively(NOON)) == list(lively(NOON))

    def test_identities_are_unique_across_restarts(self) -> None:
        """A second run on the same database tells nothing under an id of the first but repeats."""
        first = [event for _, told in lively(NOON) for event in told]
        again = [event for _, told in lively(NOON + timedelta(hours=5)) for event in told]
        known = {identity(event): event for event in first}
        both = [event for event in again if identity(event) in known]

        assert all(known[identity(event)] == event for event in both)
        assert Outcome.CONFLICT not in outcomes([*first, *again])

    def test_no_case_stops_twice(self) -> None:
        """A step that is taken early is not told again when it was due."""
        told = province(dirt=0)
        all_events = list(told.history(FIRST, NOON))
        for hours in range(1, 24 * 20):
            all_events += told.live(NOON + timedelta(hours=hours))
        live_at = NOON + timedelta(days=20)
        vouchers = Counter(
            event.case_id
            for event in taken(all_events, live_at)
            if event.event_type is EventType.VOUCHER_ISSUED
        )
        retracted = {e["subject"] for e in all_events if e["type"] == EventType.RETRACTED}

        assert set() == {case_id for case_id, n in vouchers.items() if n > 1} - retracted

    def test_without_history_it_begins_from_nothing(self) -> None:
        """A province that has no past gets its first cases."""
        assert {EventType.ACCEPTED} <= {event["type"] for event in province().live(NOON)}


class Receiver:
    """A service that answers as it was told to, then takes everything."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.bodies: list[tuple[str, list[Event]]] = []
        self.keys: set[str] = set()

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a post."""
        if self.answers:
            return self.answers.pop(0)
        told = await request.json()
        told = told if isinstance(told, list) else [told]
        self.bodies.append((request.content_type, told))
        self.keys.add(request.headers["Authorization"])
        return web.json_response({"accepted": len(told), "duplicate": 0, "rejected": 0})

    def server(self, port: int | None = None) -> TestServer:
        """Return a server to be entered."""
        app = web.Application()
        app.router.add_post("/v1/events", self.receive)
        return TestServer(app, port=port)


class Pauses:
    """Waits no time and remembers how long it was asked to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Take note of a pause."""
        self.seconds.append(seconds)


def problem(status: int, detail: str, **headers: str) -> web.Response:
    """Answer as the service does when it cannot."""
    return web.json_response(
        {"status": status, "detail": detail},
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def posted(receiver: Receiver, told: Iterable[Event], pause: Pauses) -> Counts:
    """Post events to a receiver."""
    async with (
        receiver.server() as server,
        Producer(url=str(server.make_url("/")), key=KEY, pause=pause) as producer,
    ):
        return await producer.post(told)


class TestProducer:
    async def test_it_posts_batches_and_single_events_in_order(self) -> None:
        """Every thousand go as a batch, the next one by itself, all in their order."""
        receiver = Receiver()
        told = events(0.0)[:1500]

        counts = await posted(receiver, told, Pauses())

        assert Counts(accepted=1500) == counts
        assert [(BATCH, 1000), (EVENT, 1), (BATCH, 498), (EVENT, 1)] == [
            (content_type, len(body)) for content_type, body in receiver.bodies
        ]
        assert list(told) == [event for _, body in receiver.bodies for event in body]
        assert {f"Bearer {KEY}"} == receiver.keys

    async def test_no_events_are_no_request(self) -> None:
        """Nothing to tell is told to nobody."""
        receiver = Receiver()

        assert Counts() == await posted(receiver, [], Pauses())
        assert [] == receiver.bodies

    async def test_it_waits_as_long_as_it_is_asked_to(self) -> None:
        """After 503 the same events are sent again when Retry-After has passed."""
        receiver, pauses = Receiver(problem(503, "away", Retry_After="7")), Pauses()

        counts = await posted(receiver, events(0.0)[:5], pauses)

        assert Counts(accepted=5) == counts
        assert [7] == pauses.seconds

    async def test_it_backs_off_when_not_told_how_long(self) -> None:
        """Without a number in Retry-After the pauses grow."""
        away = [problem(503, "away"), problem(503, "away", Retry_After="Wed, 01 Jan 2026 00:00:00")]
        pauses = Pauses()

        await posted(Receiver(*away), events(0.0)[:1], pauses)

        assert len(pauses.seconds) == 2
        assert 0 < pauses.seconds[0] < pauses.seconds[1]

    async def test_it_outlives_a_restart_of_the_service(self) -> None:
        """A refused connection is tried again until the service is back."""
        async with Receiver().server() as server:
            url, port = str(server.make_url("/")), server.port
        back = Receiver().server(port)
        pauses: list[float] = []

        async def restart(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                await back.start_server()

        async with Producer(url=url, key=KEY, pause=restart) as producer:
            counts = await producer.post(events(0.0)[:3])
        await back.close()

        assert Counts(accepted=3) == counts
        assert 2 == len(pauses)

    async def test_it_gives_up_at_last(self) -> None:
        """A service that never comes back is an error that says so."""
        receiver = Receiver(*(problem(503, "away") for _ in range(100)))

        with pytest.raises(ProducerError, match=r"gave up after \d+ tries: it answers 503"):
            await posted(receiver, events(0.0)[:1], Pauses())

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_refused_key_is_an_error(self, status: int) -> None:
        """Without the right key nothing is tried again, and the service's own words are shown."""
        pauses = Pauses()

        with pytest.raises(ProducerError, match=rf"key was refused \({status}\): not this key"):
            await posted(Receiver(problem(status, "not this key")), events(0.0)[:1], pauses)

        assert [] == pauses.seconds

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (lambda: problem(415, "not this type"), "answered 415: not this type"),
            (lambda: web.Response(status=302, headers={"Location": "/"}), "answered 302: no text"),
            (lambda: web.Response(text="Hello"), "no answer of rebate_monitor: Hello"),
        ],
        ids=["other-status", "redirect", "another-service"],
    )
    async def test_any_other_answer_is_an_error(
        self, answer: type[web.Response], message: str
    ) -> None:
        """What is not the service's answer is shown instead of being counted."""
        with pytest.raises(ProducerError, match=message):
            await posted(Receiver(answer()), events(0.0)[:1], Pauses())

    async def test_a_wrong_address_is_an_error(self) -> None:
        """A text that is no URL is named."""
        async with Producer(url="not a url", key=KEY) as producer:
            with pytest.raises(ProducerError, match="not a url"):
                await producer.post(events(0.0)[:1])

    async def test_refused_events_are_counted(self) -> None:
        """A batch of which some or all are refused is an answer, not an error."""
        some = web.json_response({"accepted": 1, "duplicate": 1, "rejected": 1}, status=207)
        none = web.json_response({"accepted": 0, "duplicate": 0, "rejected": 1}, status=422)

        counts = await posted(Receiver(some, none), events(0.0)[:4], Pauses())

        assert Counts(accepted=1, duplicate=1, rejected=2) == counts

    async def test_the_sum_of_all_posts_is_kept(self) -> None:
        """A producer knows what has become of everything it ever posted."""
        async with (
            Receiver().server() as server,
            Producer(url=str(server.make_url("/")), key=KEY) as producer,
        ):
            first = await producer.post(events(0.0)[:3])
            second = await producer.post(events(0.0)[3:5])

        assert [Counts(accepted=3), Counts(accepted=2)] == [first, second]
        assert Counts(accepted=5) == producer.counts


def run(*arguments: str, **environment: str) -> Result:
    """Run the command."""
    told = {"REBATE_ADMIN_KEY": "", **environment}
    return CliRunner().invoke(simulate, arguments, env=told)


PERIOD = ("--from", "2026-09-01", "--to", "2026-09-20", "--cases-per-month", "50")


class TestCommand:
    def test_it_writes_lines_to_standard_output(self) -> None:
        """Without an address the events are NDJSON, one a line, and the count is on the side."""
        result = run(*PERIOD)
        told = [msgspec.json.decode(line) for line in result.stdout_bytes.splitlines()]

        assert 0 == result.exit_code
        assert f"{len(told)} events written\n" == result.stderr
        assert len(acceptances(told)) > 20

    def test_it_writes_to_a_file(self, tmp_path: Path) -> None:
        """The file holds what standard output would."""
        file = tmp_path / "events.ndjson"

        result = run(*PERIOD, "--out", str(file))

        assert 0 == result.exit_code
        assert run(*PERIOD).stdout_bytes == file.read_bytes()

    def test_the_default_period_is_the_last_sixty_days(self) -> None:
        """Without dates the events lead up to now."""
        before = datetime.now(UTC)
        result = run("--cases-per-month", "300", "--dirt", "0")
        times = [
            datetime.fromisoformat(msgspec.json.decode(line)["time"])
            for line in result.stdout_bytes.splitlines()
        ]

        assert before - timedelta(days=61) < min(times) < before - timedelta(days=45)
        assert before - timedelta(days=15) < max(times) < datetime.now(UTC)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--from", "2026-09-20", "--to", "2026-09-20"), "must lie before --to"),
            (("--from", "1999-12-31", "--to", "2001-01-01"), "must not lie before 2000"),
            (("--from", "2098-12-01", "--to", "2099-01-01"), "must lie before 2099"),
            (("--url", "http://localhost", "--out", "-"), "exclude each other"),
            (("--url", "http://localhost"), "needs a key"),
            (("--url", "http://localhost", "--to", "2098-01-01"), "no events of the future"),
            (("--cases-per-month", "0"), "0 is not in the range"),
            (("--dirt", "-1"), "-1.0 is not in the range"),
        ],
    )
    def test_a_wrong_option_is_named(self, arguments: tuple[str, ...], message: str) -> None:
        """What cannot be simulated is refused with the reason."""
        result = run(*arguments)

        assert 2 == result.exit_code
        assert message in result.stderr

    async def test_it_posts_to_a_service(self, tmp_path: Path) -> None:
        """With an address the events go there under the key of a file, and are summed up."""
        receiver, key_file = Receiver(), tmp_path / "key"
        key_file.write_text(f"{KEY}\n", encoding="utf-8")

        async with receiver.server() as server:
            url = str(server.make_url("/"))
            arguments = (*PERIOD, "--url", url, "--key-file", str(key_file))
            result = await asyncio.to_thread(run, *arguments)
        told = [event for _, body in receiver.bodies for event in body]

        assert 0 == result.exit_code
        assert f"{len(told)} accepted, 0 duplicate, 0 rejected" in result.stderr
        assert {f"Bearer {KEY}"} == receiver.keys

    async def test_it_takes_the_key_from_the_environment(self) -> None:
        """Without a file the key is the one of REBATE_ADMIN_KEY."""
        receiver = Receiver()

        async with receiver.server() as server:
            arguments = (*PERIOD, "--url", str(server.make_url("/")))
            await asyncio.to_thread(run, *arguments, REBATE_ADMIN_KEY=KEY)

        assert {f"Bearer {KEY}"} == receiver.keys

    async def test_a_refusal_is_a_plain_error(self) -> None:
        """A refused key ends the command with the service's words and no traceback."""
        receiver = Receiver(problem(401, "this key is not known here"))

        async with receiver.server() as server:
            arguments = (*PERIOD, "--url", str(server.make_url("/")))
            result = await asyncio.to_thread(run, *arguments, REBATE_ADMIN_KEY=KEY)

        assert 1 == result.exit_code
        assert "Error: the key was refused (401): this key is not known here" in result.stderr

    def test_the_key_is_not_an_option_to_show(self) -> None:
        """Help names the environment variable, not an option that would show the key in ps."""
        result = run("--help")

        assert "REBATE_ADMIN_KEY" in result.stdout
        assert "--key " not in result.stdout
