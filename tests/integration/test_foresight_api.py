"""GET /v1/foresight (issue 5): what is ahead, by hand, and as the other figures say.

Unless a test moves it the clock stands at Monday 2026-11-23 10:00; November 2026 has no holidays
and its last workday is Monday the 30th.
"""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.domain.assessment import Assessment
from rebate_monitor.domain.case import Case
from rebate_monitor.domain.foresight import FEWEST_CASES, Assumption, Month, OpenCases
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.domain.policy import PolicyBook, Scope
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.places import HUNAN
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.foresight import (
    FORESEE_EVERY,
    look_ahead,
    month_foreseen,
    read_known,
)
from rebate_monitor.storage.statements import statement
from turning import turn

CHANGSHA, ZHUZHOU = "14301000000", "14302000000"
BESIDE = ("at_limit", "overdue", "due_later", "suspended", "without_due_date")


def stopped(name: str, start: str, end: str, **data: object) -> list[Json]:
    """Tell of a case accepted and stopped on two days of 2026."""
    return [
        accepted(f"2026-{start}T09:00:00", subject=name, **data),
        event("voucher_issued", f"2026-{end}T09:00:00", subject=name),
    ]


PROVINCE = [
    *stopped("one", "11-09", "11-10"),
    *stopped("four", "11-09", "11-13", category="III"),
    *stopped("october", "10-26", "10-28"),
    *stopped("long ago", "07-01", "07-20"),
    accepted("2026-11-16T09:00:00", subject="overdue"),  # due on the 19th
    accepted("2026-11-18T09:00:00", subject="due today"),
    accepted("2026-11-18T09:00:00", subject="due tomorrow", category="III", office=ZHUZHOU),
    accepted("2026-11-23T09:00:00", subject="due on Friday", category=None, office=ZHUZHOU),
    accepted("2026-11-23T09:00:00", subject="due on Thursday", category="II"),
    accepted("2026-11-16T09:00:00", subject="paused", category="III"),
    event("suspended", "2026-11-18T09:00:00", subject="paused", reason="other"),
    accepted("2026-11-16T09:00:00", subject="excluded"),
    event("suspended", "2026-11-18T09:00:00", subject="excluded", reason="hold"),
    accepted("2026-11-16T09:00:00", subject="excluded and running"),
    event("suspended", "2026-11-18T09:00:00", subject="excluded and running", reason="hold"),
    event("resumed", "2026-11-23T09:00:00", subject="excluded and running"),
    accepted("2023-10-25T09:00:00", subject="before any policy", office=ZHUZHOU),
    accepted("2026-11-16T09:00:00", subject="rejected"),
    event("rejected", "2026-11-17T09:00:00", subject="rejected"),
    event("reviewed", "2026-11-17T09:00:00", subject="unaccepted"),
]


async def tell(client: Client, events: list[Json]) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=events, headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def foresight(client: Client, query: str = "") -> Json:
    """Return the answer to a query."""
    async with client.get(f"/v1/foresight?{query}") as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


def scope_of(answer: Json, scope: str = "all") -> Json:
    """Return a scope's month."""
    (told,) = [end for end in answer["month"]["scopes"] if end["scope"] == scope]
    found: Json = told
    return found


def assumed(answer: Json, assumption: str, scope: str = "all") -> Json:
    """Return a scope's month under an assumption."""
    (told,) = [a for a in scope_of(answer, scope)["assumptions"] if a["assumption"] == assumption]
    found: Json = told
    return found


async def test_what_falls_due(client: Client) -> None:
    """Open cases stand on the workday on which they are due, or beside the ten days."""
    await tell(client, PROVINCE)

    answer = await foresight(client)

    days = [date.fromisoformat(day["date"]) for day in answer["workdays"]]
    assert [
        date(2026, 11, 23) + timedelta(days=n) for n in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)
    ] == days
    assert {
        "city": None,
        "category": None,
        "open": 9,
        "due": [1, 2, 0, 1, 1, 0, 0, 0, 0, 0],
        "at_risk": [1, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        "at_limit": 0,
        "overdue": 1,
        "due_later": 0,
        "suspended": 2,
        "without_due_date": 1,
    } == answer["total"]
    assert [
        ("430100", "I", 4),
        ("430100", "II", 1),
        ("430100", "III", 1),
        ("430200", "I", 1),
        ("430200", "III", 1),
        ("430200", UNKNOWN_CATEGORY, 1),
    ] == [(group["city"], group["category"], group["open"]) for group in answer["groups"]]


async def test_the_parts_are_the_open_cases(client: Client) -> None:
    """Days and what stands beside them add up, in every group and over all groups."""
    await tell(client, PROVINCE)

    answer = await foresight(client)

    listed = [
        case
        for status in ("running", "suspended")
        for case in (await (await client.get(f"/v1/cases?status={status}")).json())["cases"]
    ]
    total = answer["total"]
    assert len(listed) == total["open"]
    for group in (total, *answer["groups"]):
        assert group["open"] == sum(group["due"]) + sum(group[name] for name in BESIDE)
    for name in ("open", *BESIDE):
        assert total[name] == sum(group[name] for group in answer["groups"])
    for name in ("due", "at_risk"):
        assert total[name] == [
            sum(each) for each in zip(*(g[name] for g in answer["groups"]), strict=True)
        ]
    due = Counter(case["due_date"] for case in listed if case["verdict"] != "breached")
    assert [due[day["date"]] for day in answer["workdays"]] == total["due"]


async def test_the_month(client: Client) -> None:
    """Two cases finished in 5 workdays; seven normal ones are open, one of them paused."""
    await tell(client, PROVINCE)

    answer = await foresight(client)

    month = answer["month"]
    assert ("2026-11-01", "2026-11-30", 6) == (
        month["first"],
        month["last"],
        month["workdays_left"],
    )
    assert ("2026-08-26", FEWEST_CASES, False) == (
        month["pace_from"], month["pace_cases"], month["provisional"],
    )  # fmt: skip
    everything = scope_of(answer)
    assert (2, 2.5, 4.0, 3.0, 7) == (
        everything["n"], everything["mean_workdays"], everything["target_workdays"],
        everything["slack_workdays"], everything["open_n"],
    )  # fmt: skip
    ages = {"overdue": 5, "due today": 3, "due tomorrow": 3, "paused": 2}
    # Those of today count 0; "before any policy" has run since 2023.
    calendar = await (await client.get("/v1/calendar?from=2023-10-26&to=2026-11-23")).json()
    since = sum(day["workday"] for day in calendar["days"])
    now = assumed(answer, "stopped_now")
    assert (9.0, 0.0) == (now["n"], now["left_open"])
    assert now["mean_workdays"] == round((5 + sum(ages.values()) + since) / 9, 6)
    assert not now["meets_target"]
    on_due = assumed(answer, "on_due_date")
    # 5 of the overdue one, 3 of today, 4 of tomorrow, 4 of Friday, 3 of Thursday.
    assert (7.0, 2.0, round((5 + 5 + 3 + 4 + 4 + 3) / 7, 6), True) == (
        on_due["n"], on_due["left_open"], on_due["mean_workdays"], on_due["meets_target"],
    )  # fmt: skip
    assert (4.0, 0.8) == (on_due["slack_workdays"], on_due["slack_per_case"])


async def test_the_usual_pace_is_that_of_the_last_90_days(client: Client) -> None:
    """A case of July is no part of it; October's is, and decides for categories I and II."""
    await tell(client, PROVINCE)

    told = assumed(await foresight(client), "usual_pace", "category_1_2")

    # The province's cases of I and II took 1 and 2 workdays. The case of today is expected to take
    # 1 or 2; the three that have run 3, 5 and hundreds of workdays already have no example.
    assert (1 + 1, (1 + 1.5) / 2, 3.0) == (told["n"], told["mean_workdays"], told["left_open"])


async def test_stopped_now_is_what_performance_says(client: Client) -> None:
    """The mean if all stopped now is one figure, whoever is asked for it."""
    await tell(client, PROVINCE)

    answer = await foresight(client)
    groups = (await (await client.get("/v1/performance")).json())["groups"]

    for group in groups:
        told = scope_of(answer, group["scope"])
        assert (group["n"], group["mean_workdays"], group["open_n"], group["target_workdays"]) == (
            told["n"], told["mean_workdays"], told["open_n"], told["target_workdays"],
        )  # fmt: skip
        now = assumed(answer, "stopped_now", group["scope"])
        assert group["mean_if_open_stopped_now"] == now["mean_workdays"]


@pytest.mark.parametrize(
    ("query", "open_cases", "scopes"),
    [
        ("city=430200", 3, [(0, 3), (0, 1)]),
        ("category=III", 2, [(1, 2), (0, 0)]),
        ("category=unknown", 1, [(0, 1), (0, 0)]),
        ("city=430100&category=I", 4, [(1, 2), (1, 2)]),
        ("city=110000", 0, [(0, 0), (0, 0)]),
    ],
)
async def test_filters(
    client: Client, query: str, open_cases: int, scopes: list[tuple[int, int]]
) -> None:
    """A city or a category is told of alone, in the queue and in the month."""
    await tell(client, PROVINCE)

    answer = await foresight(client, query)

    wanted = dict(part.split("=") for part in query.split("&"))
    assert (wanted.get("city"), wanted.get("category")) == (answer["city"], answer["category"])
    assert open_cases == answer["total"]["open"]
    assert scopes == [(end["n"], end["open_n"]) for end in answer["month"]["scopes"]]
    for group in answer["groups"]:
        assert {name: group[name] for name in wanted} == wanted


async def test_a_filtered_city_still_goes_by_its_province(client: Client) -> None:
    """Whether one city is asked for or all are, its cases have the same pace."""
    events = [told for n in range(FEWEST_CASES) for told in stopped(f"c{n}", "11-09", "11-12")]
    open_case = accepted("2026-11-23T09:00:00", subject="open", office=ZHUZHOU)
    await tell(client, [*events, open_case])

    told = assumed(await foresight(client, "city=430200"), "usual_pace")

    assert (1.0, 3.0) == (told["n"], told["mean_workdays"])


async def test_an_empty_database(client: Client) -> None:
    """Before the first event there is nothing ahead but workdays and a holiday."""
    answer = await foresight(client)

    assert (0, [0] * 10, []) == (
        answer["total"]["open"], answer["total"]["due"], answer["groups"],
    )  # fmt: skip
    for scope, target in (("all", 4.0), ("category_1_2", 3.0)):
        told = scope_of(answer, scope)
        assert (0, None, target, 0.0) == (
            told["n"], told["mean_workdays"], told["target_workdays"], told["slack_workdays"],
        )  # fmt: skip
        for assumption in Assumption:
            empty = assumed(answer, assumption, scope)
            assert (0.0, None, None) == (
                empty["n"], empty["mean_workdays"], empty["meets_target"],
            )  # fmt: skip
    assert [0] * 6 == [
        each["cases"]
        for each in (
            *answer["holiday"]["due_before"],
            *answer["holiday"]["due_after"],
            answer["holiday"]["breaching"],
        )
    ]


async def test_without_a_policy_there_is_no_target(client: Client, clock: FixedClock) -> None:
    """Before the first policy nothing is asked, so there is no slack and no verdict."""
    clock.instant = datetime(2023, 9, 25, 10, 0, tzinfo=SHANGHAI)

    told = scope_of(await foresight(client))

    assert (None, None) == (told["target_workdays"], told["slack_workdays"])
    assert {None} == {a["target_workdays"] for a in told["assumptions"]}


async def test_the_target_is_that_of_the_month_s_last_day(
    client: Client, clock: FixedClock
) -> None:
    """The mean will be judged on the month's last day: the policy of 26 October 2023 judges it."""
    clock.instant = datetime(2023, 10, 9, 10, 0, tzinfo=SHANGHAI)

    assert 4.0 == scope_of(await foresight(client))["target_workdays"]


async def test_the_last_minute_of_a_month(client: Client, clock: FixedClock) -> None:
    """At 23:59 the month is November's, a minute later it is December's, with nothing finished."""
    await tell(client, stopped("one", "11-09", "11-10"))
    seen = []
    for instant in (
        datetime(2026, 11, 30, 23, 59, 59, tzinfo=SHANGHAI),
        datetime(2026, 11, 30, 16, 0, tzinfo=UTC),
    ):
        clock.instant = instant
        answer = await foresight(client)
        month = answer["month"]
        seen.append((month["first"], month["workdays_left"], scope_of(answer)["n"]))

    assert [("2026-11-01", 1, 1), ("2026-12-01", 23, 0)] == seen


async def test_before_national_day(client: Client, clock: FixedClock) -> None:
    """What seven days off do to the queue, on the last workday before them."""
    clock.instant = datetime(2026, 9, 30, 10, 0, tzinfo=SHANGHAI)
    await tell(
        client,
        [
            accepted("2026-09-23T09:00:00", subject="due on the 29th, over today"),
            accepted("2026-09-24T09:00:00", subject="due today"),
            accepted("2026-09-24T09:00:00", subject="due on the 8th", category="IV"),
            accepted("2026-09-30T09:00:00", subject="due on the 10th"),
        ],
    )

    told = (await foresight(client))["holiday"]

    assert {
        "first": "2026-10-01",
        "last": "2026-10-07",
        "days": 7,
        "name": "国庆节",
        "provisional": False,
        "makeup_workdays": ["2026-09-20", "2026-10-10"],
        "due_before": [{"date": "2026-09-29", "cases": 1}, {"date": "2026-09-30", "cases": 1}],
        "due_after": [
            {"date": "2026-10-08", "cases": 1},
            {"date": "2026-10-09", "cases": 0},
            {"date": "2026-10-10", "cases": 1},
        ],
        "breaching": {"date": "2026-10-08", "cases": 1},
    } == told


async def test_an_estimated_holiday(client: Client, clock: FixedClock) -> None:
    """Spring Festival 2027 is not published: block, days and month say that they may change."""
    clock.instant = datetime(2027, 2, 1, 10, 0, tzinfo=SHANGHAI)

    answer = await foresight(client)

    block = answer["holiday"]
    assert ("2027-02-05", "2027-02-10", 6, True) == (
        block["first"], block["last"], block["days"], block["provisional"],
    )  # fmt: skip
    assert answer["month"]["provisional"]
    assert {True} == {day["provisional"] for day in answer["workdays"]}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("city=changsha", "city: must be a six-digit city code"),
        ("city=", "city: must be a six-digit city code"),
        ("city=430100%00", "city: must be a six-digit city code"),
        ("category=V", "category: must be one of I, II, III, IV, unknown"),
        ("category=i", "category: must be one of"),
        ("month=2026-11", "month: unknown parameter; known: category, city"),
        ("city=430100&city=430200", "city: given more than once"),
    ],
)
async def test_parameters_that_break_a_rule(client: Client, query: str, said: str) -> None:
    """Each refusal names the field and the rule."""
    async with client.get(f"/v1/foresight?{query}") as response:
        answer = await response.json()

    assert (422, "application/problem+json") == (response.status, response.content_type)
    assert said in answer["detail"]


async def test_it_needs_a_key(stranger: Client) -> None:
    """Nobody reads it without a key."""
    async with stranger.get("/v1/foresight") as response:
        assert response.status == 401


# --- read as the cases are ---------------------------------------------------------------------


def random_events(seed: int, cases: int) -> list[Json]:
    """Make up cases of the last weeks that stand in every possible way."""
    chance = random.Random(seed)
    told = []
    for n in range(cases):
        at = datetime(2026, 10, 12, 9, 0) + timedelta(hours=chance.randrange(41 * 24))  # noqa: DTZ001 - the builder adds the offset
        name = f"case-{n}"
        office = f"1{chance.choice(HUNAN)[0]}0000"
        category = chance.choice(["I", "II", "III", "IV", None])
        told.append(accepted(at.isoformat(), subject=name, office=office, category=category))
        for kind in chance.choices(["suspended", "resumed", "reviewed", "voucher_issued"], k=2):
            at += timedelta(hours=chance.randrange(1, 12 * 24))
            data = {"reason": chance.choice(["other", "hold"])} if kind == "suspended" else {}
            if at < datetime(2026, 11, 23, 9, 0):  # noqa: DTZ001 - as above
                told.append(event(kind, at.isoformat(), subject=name, **data))
    return told


def as_read(case: Case, assessment: Assessment) -> OpenCases:
    """Lay one case out as the query groups it."""
    told, count = case.attributes, assessment.counted_workdays
    assert told is not None
    assert count is not None
    return OpenCases(
        city=told.city,
        category=told.category,
        normal=assessment.normal,
        counted_workdays=count,
        running_since=assessment.running_since,
        due_date=assessment.due_date,
        at_risk_on=local_date(assessment.at_risk_at) if assessment.at_risk_at else None,
        breach_on=local_date(assessment.breach_at) if assessment.breach_at else None,
        cases=1,
    )


async def test_groups_are_the_cases_one_by_one(
    client: Client, service: Service, database: Database
) -> None:
    """What SQL groups is what the cases fold to: open ones, finished ones, and the pace."""
    await tell(client, random_events(seed=5, cases=200))
    month = Month(today=service.today(), calendar=service.rules.own.calendar)
    async with database.connection() as connection:
        ids = [row["case_id"] for row in await connection.fetch("SELECT case_id FROM rebate_case")]
        stored = await events_of_cases(connection, ids)
        known = await read_known(connection, month, await service.rules.in_force(connection))
    cases = [
        service.rules.own.assess(case_id, [kept.event for kept in kept_events])
        for case_id, kept_events in stored.items()
    ]
    one_by_one = Counter(as_read(*case) for case in cases if case[0].status.is_open)
    ended = [
        (assessment.counted_workdays or 0, local_date(case.ended_at), case)
        for case, assessment in cases
        if case.ended_at and assessment.normal
    ]
    for scope in Scope:
        this_month = [
            workdays
            for workdays, on, case in ended
            if case.attributes and scope.covers(case.attributes.category) and on >= month.first
        ]
        assert (len(this_month), sum(this_month)) == known.finished_of(scope)

    assert one_by_one == Counter({
        OpenCases(**{name: getattr(each, name) for name in OpenCases.__slots__} | {"cases": 1}):
        each.cases for each in known.open_cases
    })  # fmt: skip
    took = Counter(
        workdays
        for workdays, _, case in ended
        if case.attributes and not Scope.CATEGORY_1_2.covers(case.attributes.category)
    )
    assert took == known.pace.of_at_least(0, None, category_1_2=False)


async def test_only_open_cases_and_90_days_are_read(database: Database) -> None:
    """However many cases have ended, what is ahead is read by index."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO rebate_case (case_id, status, settled_verdict, normal, stopped_on,"
            " counted_workdays) SELECT n::text, 'stopped', 'met', true,"
            " date '2026-11-23' - n % 3000, 3 FROM generate_series(1, 30000) AS n"
        )
        await connection.execute("ANALYZE")
        today, first = date(2026, 11, 23), date(2026, 8, 26)
        plans = {
            "open_cases_ahead": (None, None, 1),
            "finished_so_far": (date(2026, 11, 1), today, None, None),
            "pace_of_cities": (first, today),
        }
        told = {
            name: "\n".join(
                row[0] for row in await connection.fetch(f"EXPLAIN {statement(name)}", *arguments)
            )
            for name, arguments in plans.items()
        }

    assert "rebate_case_open" in told["open_cases_ahead"]
    assert "rebate_case_stopped" in told["finished_so_far"]
    assert "rebate_case_stopped" in told["pace_of_cities"]
    assert [] == [name for name, text in told.items() if "Seq Scan" in text]


# --- kept for every scrape ---------------------------------------------------------------------


async def test_what_is_kept_is_what_the_api_says(
    client: Client, service: Service, database: Database
) -> None:
    """The means that metrics show are those of the answer, rounded alike."""
    await tell(client, PROVINCE)

    assert await look_ahead(database, service.rules, service.now())
    async with database.connection() as connection:
        kept = await month_foreseen(connection, service.today())

    answer = await foresight(client)
    assert {
        (scope, assumption): assumed(answer, assumption, scope)["mean_workdays"]
        for scope in Scope
        for assumption in Assumption
    } == kept.means
    assert service.now() == kept.at


async def test_of_many_replicas_one_looks_ahead_a_minute(
    service: Service, database: Database, clock: FixedClock
) -> None:
    """What was just found is not looked for again; it is after a minute, or a clock set back."""
    looked = []
    for later in (timedelta(0), timedelta(seconds=30), FORESEE_EVERY, timedelta(days=-1)):
        now = clock.instant + later
        looked.append(await look_ahead(database, service.rules, now))
        looked.append(await look_ahead(database, service.rules, now))

    assert [True, False, False, False, True, False, True, False] == looked


async def test_another_month_is_not_shown(
    client: Client, service: Service, database: Database, clock: FixedClock
) -> None:
    """What was foreseen of November is nothing to December; the day's change alone is no matter."""
    await tell(client, PROVINCE)
    clock.instant = datetime(2026, 11, 29, 23, 59, 30, tzinfo=SHANGHAI)
    await look_ahead(database, service.rules, service.now())
    async with database.connection() as connection:
        november = await month_foreseen(connection, date(2026, 11, 30))
        december = await month_foreseen(connection, date(2026, 12, 1))

    assert clock.instant == november.at
    assert ({}, None) == (december.means, december.at)


async def test_no_cases_and_no_policies_are_kept_as_nothing(
    service: Service, database: Database
) -> None:
    """A mean of no cases is none, and the next look replaces it."""
    await turn(service, replace(service.rules.own, policies=PolicyBook([])))

    await look_ahead(database, service.rules, service.now())
    async with database.connection() as connection:
        kept = await month_foreseen(connection, service.today())

    assert {(scope, assumption): None for scope in Scope for assumption in Assumption} == kept.means
