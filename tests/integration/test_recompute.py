"""Rules turn under a running service: each case is wholly old until its turn, then wholly new."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock
from random_streams import post_batches, random_province
from rebate_monitor.api.service import Service
from rebate_monitor.domain.known_then import BroughtBy
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.domain.policy import PolicyBook, StopAt
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import DayKind, SpecialDay, WorkCalendar
from rebate_monitor.ingest import recompute
from rebate_monitor.ingest.incoming import Incoming, Sender
from rebate_monitor.ingest.recompute import Recomputer, count_stale
from rebate_monitor.ingest.rule_changes import CalendarImport, PolicyChange
from rebate_monitor.ingest.wire import decode_event
from rebate_monitor.ingest.writer import Reception
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.recomputes import under_way
from rebate_monitor.storage.recount import compare_tallies
from rebate_monitor.storage.rulebooks import known_rules
from rebate_monitor.storage.rules import Rules, RulesInForce
from turning import bring, drain, recompute_all, recomputer, turn, turn_and_recompute

ON_BOTH = pytest.mark.parametrize("postgres_version", ["15", "18"], indirect=True)
MONDAY = accepted("2026-11-16T09:00:00")


def with_days(rules: Rulebook, *told: date) -> Rulebook:
    """Return rules by which these days are the other kind of day than they are."""
    notice = rules.calendar.notices[2026]
    days = dict(notice.days)
    for on in told:
        was_worked = rules.calendar.kind(on).is_workday
        kind = DayKind.DAY_OFF if was_worked else DayKind.MAKEUP_WORKDAY
        days[on] = SpecialDay(kind=kind, name="made up")
    notices = {**rules.calendar.notices, 2026: replace(notice, days=days)}
    return replace(rules, calendar=WorkCalendar(notices.values()))


def with_policy(present: Rulebook, **changes: object) -> Rulebook:
    """Return rules whose only policy has other fields."""
    (policy,) = present.policies.policies
    return replace(present, policies=PolicyBook([replace(policy, **changes)]))  # type: ignore[arg-type]


def stopping_at(rules: Rulebook, stop_at: StopAt) -> Rulebook:
    (policy,) = rules.policies.policies
    return with_policy(rules, rules=replace(policy.rules, stop_at=stop_at))


async def post(client: Client, *events: Json) -> None:
    async with client.post("/v1/events", data=json.dumps(events), headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def in_force(service: Service) -> RulesInForce:
    async with service.database.connection() as connection:
        return await service.rules.in_force(connection)


async def rows(database: Database, query: str, *arguments: object) -> list[tuple[object, ...]]:
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]


async def check(service: Service) -> None:
    """Every row is what its events fold to by the rules it goes by, and the tallies follow."""
    assert 0 == await count_stale(service.database, service.rules)
    assert [] == await compare_tallies(service.database, local_date(service.now()))


CHANGES = {
    "calendar": lambda rules: with_days(rules, date(2026, 10, 14), date(2026, 11, 8)),
    "limits": lambda rules: with_policy(rules, default_limit=2, limits={}),
    "counting": lambda rules: with_days(stopping_at(rules, StopAt.PAID), date(2026, 11, 11)),
}


@ON_BOTH
@pytest.mark.parametrize("change", sorted(CHANGES))
async def test_every_case_ends_by_the_new_rules(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """After each page all rows and tallies are right, and at the end all go by the new rules."""
    monkeypatch.setattr(recompute, "BY_COURSE", 40)
    monkeypatch.setattr(recompute, "BY_EVENTS", 40)
    rng = random.Random(17)
    events = random_province(rng, cases=150)
    rng.shuffle(events)
    await post_batches(client, events, rng)
    changed = CHANGES[change](service.rules.own)
    published = await turn(service, changed)
    worker, pages = recomputer(service), 0
    while (await worker.turn()).recompute is not None:
        pages += 1
        await check(service)
    told = await worker.progress(published.recompute)
    known = await in_force(service)

    assert pages > 3
    assert told is not None
    assert ("finished", told.cases, 0) == (told.state, told.done, told.pending)
    assert 0 < told.changes.changed <= told.done
    assert known.number == known.settled == published.number
    assert [(published.number,)] == await rows(
        service.database, "SELECT DISTINCT rules FROM rule_day"
    )


async def test_only_touched_cases_are_written(
    client: Client, service: Service, database: Database
) -> None:
    """A day off in November leaves alone who was done before it, or came after it."""
    await post(
        client,
        accepted("2026-11-02T09:00:00", subject="before"),
        event("voucher_issued", "2026-11-03T09:00:00", subject="before"),
        event("paid", "2026-11-04T09:00:00", subject="before"),
        accepted("2026-11-16T09:00:00", subject="over"),
        accepted("2026-11-19T09:00:00", subject="after"),
    )
    before = await in_force(service)
    done = await turn_and_recompute(service, with_days(service.rules.own, date(2026, 11, 18)))

    assert (1, 1, 1, 0) == (
        done.cases,
        done.changes.changed,
        done.changes.due_dates_moved,
        done.changes.breaches_made,
    )
    assert [("after", before.number), ("before", before.number), ("over", done.rules)] == (
        await rows(database, "SELECT case_id, rules FROM rebate_case ORDER BY case_id")
    )
    assert [(date(2026, 11, 20),)] == await rows(
        database, "SELECT due_date FROM rebate_case WHERE case_id = 'over'"
    )


async def test_what_touches_nobody_is_finished_at_once(client: Client, service: Service) -> None:
    """Another target counts from its publication on, and no case is looked at."""
    await post(client, MONDAY)
    published = await turn(service, with_policy(service.rules.own, targets={}))
    known = await in_force(service)

    assert () == published.touched.stretches
    assert known.number == known.settled == published.number
    async with client.get("/v1/performance") as response:
        groups = (await response.json())["groups"]
    assert [None, None] == [group["target_workdays"] for group in groups]


async def test_the_same_rules_are_no_new_version(service: Service) -> None:
    """Nothing is published where nothing differs."""
    async with service.database.connection() as connection:
        before = await known_rules(connection, service.rules.own)
    notice = service.rules.own.calendar.notices[2026]
    change = PolicyChange(by="李红", policies=service.rules.own.policies.policies)
    first = await bring(service, change)
    again = await bring(service, change)
    told = CalendarImport(by="李红", notices=(notice,))
    calendar = await bring(service, told)

    assert first is not None  # operations have brought it now: it stands whatever is configured
    assert again is None
    assert calendar is not None
    assert [1, 2, 3] == [
        len(before),
        *(published.number - before[0].number + 1 for published in (first, calendar)),
    ]


async def test_ingest_beside_it_goes_by_the_new_rules(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events for cases whose turn has come or has not: all end as the new rules have them."""
    monkeypatch.setattr(recompute, "BY_COURSE", 20)
    rng = random.Random(23)
    events = random_province(rng, cases=120)
    rng.shuffle(events)
    half = len(events) // 2
    await post_batches(client, events[:half], rng)
    await turn(service, with_days(service.rules.own, date(2026, 10, 14), date(2026, 11, 11)))
    worker = recomputer(service)

    await asyncio.gather(post_batches(client, events[half:], rng), worker.work())
    await worker.work()

    await check(service)
    known = await in_force(service)
    assert known.number == known.settled


async def test_a_replica_that_has_not_heard_writes_by_the_new_rules(
    client: Client, service: Service, database: Database
) -> None:
    """Whoever locks a case learns by which rules, however long ago it last asked."""
    other = replace(service.writer, rules=Rules(service.rules.own))
    await other.take([json.dumps(MONDAY).encode()], sender=Sender("a"), now=service.now())
    done = await turn_and_recompute(service, with_days(service.rules.own, date(2026, 11, 18)))
    late = accepted("2026-11-16T09:00:00", subject="case-2")
    await other.take([json.dumps(late).encode()], sender=Sender("a"), now=service.now())

    assert [
        ("case-1", date(2026, 11, 20), done.rules),
        ("case-2", date(2026, 11, 20), done.rules),
    ] == (await rows(database, "SELECT case_id, due_date, rules FROM rebate_case ORDER BY case_id"))


async def test_a_new_version_waits_for_whoever_writes_by_the_old_one(
    client: Client, service: Service, database: Database
) -> None:
    """A batch that has locked its cases ends by the rules it began with, and is laid down anew."""
    told = decode_event(json.dumps(MONDAY).encode(), service.now(), service.writer.max_ahead)
    batch = [Incoming(index=0, body=b"", decoded=told)]
    reception = Reception(received_from="a test", at=service.now())
    async with database.transaction() as connection:
        await service.writer.store(connection, batch, reception)
        publishing = asyncio.create_task(
            turn(service, with_days(service.rules.own, date(2026, 11, 18)))
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(publishing), 0.5)
    published = await publishing
    old = await rows(database, "SELECT due_date FROM rebate_case")
    done = await drain(recomputer(service), published.recompute)

    assert [(date(2026, 11, 19),)] == old
    assert 1 == done.changes.due_dates_moved
    await check(service)


async def test_a_later_version_takes_over_what_is_left(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published half-way, it ends with every case by the last rules, the first never finished."""
    monkeypatch.setattr(recompute, "BY_COURSE", 10)
    rng = random.Random(29)
    await post_batches(client, random_province(rng, cases=100), rng)
    first_rules = with_days(service.rules.own, date(2026, 10, 14))
    first = await turn(service, first_rules)
    worker = recomputer(service)
    for _ in range(4):
        await worker.turn()
    second = await turn(service, with_days(first_rules, date(2026, 11, 20)))
    during = await in_force(service)
    await check(service)
    done = await drain(worker, second.recompute)
    superseded = await worker.progress(first.recompute)

    assert superseded is not None
    assert ("superseded", "finished") == (superseded.state, done.state)
    assert during.settled < first.number < during.number == second.number
    assert (await in_force(service)).settled == second.number
    await check(service)


async def test_a_change_that_is_taken_back_leaves_no_trace(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old calendar published again half-way: all cases are as they were."""
    monkeypatch.setattr(recompute, "BY_COURSE", 10)
    rng = random.Random(31)
    await post_batches(client, random_province(rng, cases=60), rng)
    query = (
        "SELECT case_id, due_date, counted_workdays, settled_verdict FROM rebate_case ORDER BY 1"
    )
    before = await rows(service.database, query)
    await turn(service, with_days(service.rules.own, date(2026, 10, 14)))
    worker = recomputer(service)
    for _ in range(3):
        await worker.turn()
    back = await turn(service, service.rules.own)
    await drain(worker, back.recompute)

    assert before == await rows(service.database, query)
    await check(service)


class DyingClock:
    """A clock that breaks off in mid-page after so many questions."""

    def __init__(self, now: datetime, answers: int) -> None:
        self.now, self.answers = now, answers

    def __call__(self) -> datetime:
        """Return the instant, as long as there are answers."""
        self.answers -= 1
        if self.answers < 0:
            raise KeyboardInterrupt
        return self.now


async def test_it_goes_on_where_the_last_commit_ended(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies within a page has done the pages before it, once."""
    monkeypatch.setattr(recompute, "BY_COURSE", 15)
    rng = random.Random(37)
    await post_batches(client, random_province(rng, cases=100), rng)
    published = await turn(service, with_days(service.rules.own, date(2026, 10, 14)))
    dying = Recomputer(
        database=service.database, rules=service.rules, clock=DyingClock(service.now(), 3)
    )
    with pytest.raises(KeyboardInterrupt):
        await dying.work()
    async with service.database.connection() as connection:
        left = await under_way(connection)
    done = await drain(recomputer(service), published.recompute)

    assert left is not None
    assert 0 < left.done < done.done == done.cases
    await check(service)


async def test_two_workers_never_do_the_same(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas take turns; each case is done once."""
    monkeypatch.setattr(recompute, "BY_COURSE", 5)
    rng = random.Random(41)
    await post_batches(client, random_province(rng, cases=80), rng)
    published = await turn(service, with_days(service.rules.own, date(2026, 10, 14)))
    others = [
        Recomputer(database=service.database, rules=Rules(service.rules.own), clock=service.now)
        for _ in range(3)
    ]

    async def work(worker: Recomputer) -> None:
        while (told := await worker.turn()).recompute is not None:
            if told.is_passed_by:
                await asyncio.sleep(0.005)

    await asyncio.gather(*map(work, others))
    done = await others[0].progress(published.recompute)

    assert done is not None
    assert ("finished", done.cases) == (done.state, done.done)
    await check(service)


async def test_a_database_without_rules_gets_them_with_its_first_events(
    database: Database, service: Service, clock: FixedClock
) -> None:
    """Of writers that come at once one publishes, and all go by that version."""
    async with database.connection() as connection:
        await connection.execute("TRUNCATE rulebook_version, recompute, rule_day")
    writers = [replace(service.writer, rules=Rules(service.rules.own)) for _ in range(4)]
    bodies = [
        json.dumps(accepted("2026-11-16T09:00:00", subject=f"case-{n}")).encode() for n in range(4)
    ]
    await asyncio.gather(
        *(
            writer.take([body], sender=Sender("a"), now=clock())
            for writer, body in zip(writers, bodies, strict=True)
        )
    )
    known = await in_force(service)

    assert [(known.number, 4)] == await rows(
        database, "SELECT rules, count(*) FROM rebate_case GROUP BY rules"
    )
    assert [(1,)] == await rows(database, "SELECT count(*) FROM rulebook_version")
    assert [(36525,)] == await rows(database, "SELECT count(*) FROM rule_day")


async def test_rows_from_before_are_laid_down_from_their_events(
    client: Client, service: Service, database: Database
) -> None:
    """Without a course and its days nothing can be skipped: a recompute of all fills them."""
    rng = random.Random(43)
    await post_batches(client, random_province(rng, cases=50), rng)
    query = "SELECT case_id, course, rests_until FROM rebate_case ORDER BY case_id"
    before = await rows(database, query)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE rebate_case SET course = NULL, rests_until = NULL, rules = NULL"
        )
    done = await recompute_all(service)

    assert before == await rows(database, query)
    accepted_ones = sum(course is not None for _, course, _ in before)
    assert (50, accepted_ones) == (done.cases, done.changes.changed)
    await check(service)


class TestWhatOperationsBring:
    """What was imported or applied stands, whatever package and configuration say."""

    async def test_a_start_with_the_same_rules_publishes_nothing(self, service: Service) -> None:
        """Nor does one whose rules differ only where operations have brought their own."""
        await turn(service, with_days(service.rules.own, date(2026, 11, 18)))

        assert await service.rules.bring(service.database, service.now) is None

    async def test_a_start_with_another_configuration(self, service: Service) -> None:
        """Its policies are published, the imported year stays, and it is named as a start."""
        notice = with_days(service.rules.own, date(2026, 11, 18)).calendar.notices[2026]
        change = CalendarImport(by="李红", notices=(notice,))
        await bring(service, change)
        configured = Rules(with_policy(service.rules.own, default_limit=6))
        published = await configured.bring(service.database, service.now)
        known = await in_force(service)
        async with service.database.connection() as connection:
            versions = await known_rules(connection, service.rules.own)

        assert published is not None
        assert 6 == known.rulebook.policies.policies[0].default_limit
        assert not known.rulebook.calendar.kind(date(2026, 11, 18)).is_workday
        assert [BroughtBy(because="import", by="李红"), BroughtBy(because="start")] == [
            version.brought for version in versions[-2:]
        ]

    async def test_a_withdrawn_policy_stays_withdrawn(self, service: Service) -> None:
        """The packaged one does not come back with the next start, until it is applied again."""
        (policy,) = service.rules.own.policies.policies
        change = PolicyChange(by="李红", because="withdraw", withdrawn=frozenset({policy.id}))
        await bring(service, change)
        restarted = await service.rules.bring(service.database, service.now)
        none_left = (await in_force(service)).rulebook.policies.policies
        again = PolicyChange(by="李红", policies=(policy,))
        await bring(service, again)

        assert restarted is None
        assert () == none_left
        assert (policy,) == (await in_force(service)).rulebook.policies.policies


async def test_known_moments_never_run_backwards(service: Service, clock: FixedClock) -> None:
    """A clock that was set back still gives the later version the later moment."""
    await turn(service, with_days(service.rules.own, date(2026, 11, 18)))
    clock.instant -= timedelta(days=1)
    await turn(service, with_days(service.rules.own, date(2026, 11, 19)))
    async with service.database.connection() as connection:
        moments = [known.known_since for known in await known_rules(connection, service.rules.own)]

    assert sorted(set(moments)) == moments
    assert moments[1] == datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)
