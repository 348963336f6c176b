"""Notices: one digest a window, inside the hours, on the right road, and never lost or doubled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from alerting_office import Office, at, open_office
from cloud_events import accepted, event
from conftest import FixedClock
from rebate_monitor.alerting.channels.webhook import WebhookSender
from rebate_monitor.alerting.delivery import LONGEST_PAUSE, pause_after
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.storage.database import Database
from rebate_monitor.storage.outbox import list_outbox, outbox_figures, retry_messages, tidy
from rebate_monitor.storage.recount import compare_tallies
from receivers import Chat, Receiver, chat_config, chatting, receiving, webhook_config

ALERTS = '[alerts]\nenforce_from = 2026-01-01\nlink = "https://rebate.example"\n'
ZHUZHOU = "14302000000"


@dataclass
class Town:
    """A machine, a chat, and replicas of the service that tell both."""

    machine: Receiver
    chat: Chat
    database: Database
    clock: FixedClock
    config: Path
    stack: AsyncExitStack

    def configure(self, *blocks: str, alerts: str = ALERTS) -> None:
        """Write the configuration that replicas are opened under."""
        self.config.write_text(alerts + "\n".join(blocks), encoding="utf-8")

    async def replica(self) -> Office:
        """Open a replica."""
        return await open_office(self.stack, self.database, self.clock, self.machine, self.config)

    async def outbox(self, state: str | None = None) -> list[str]:
        """Return the last reason of each message in a state, the latest first."""
        async with self.database.connection() as connection:
            return [row["reason"] or "" for row in await list_outbox(connection, state, None, 100)]


@pytest.fixture
async def town(database: Database, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        machine = await stack.enter_async_context(receiving())
        chat = await stack.enter_async_context(chatting())
        yield Town(machine, chat, database, clock, tmp_path / "config.toml", stack)


def many(count: int, day: str = "2026-11-23", **data: object) -> list[dict[str, object]]:
    """Accept many cases on one day; category I, so they are due on Thursday the 26th."""
    office = data.get("office", "14301000000")
    return [accepted(f"{day}T09:00:00", subject=f"{office}-{n}", **data) for n in range(count)]


async def test_a_chat_gets_one_digest_for_each_city_and_level(town: Town) -> None:
    """Forty cases of two cities are two messages, with counts and a link, and no case."""
    town.configure(chat_config("chat", town.chat.url))
    office = await town.replica()
    await office.post(*many(30), *many(10, office=ZHUZHOU))
    await office.pass_time("11-27T09:00")

    told = sorted(town.chat.messages)

    assert 2 == len(told)
    assert "【超时】株洲市：10 件退税已超办理时限" in told[0]
    assert "【超时】长沙市：30 件退税已超办理时限" in told[1]
    assert "https://rebate.example/alerts?city=430100&kind=breached&level=1" in told[1]
    assert not any("14301000000-" in message for message in told)


async def test_nobody_is_woken_at_midnight(town: Town) -> None:
    """Raised at 00:00 on the machine's road, told to people when their day begins."""
    town.configure(webhook_config("machine", town.machine.url), chat_config("chat", town.chat.url))
    office = await town.replica()
    await office.post(*many(3))
    await office.pass_time("11-27T00:00")
    at_midnight = (len(town.machine.told("breached")), len(town.chat.messages))
    await office.pass_time("11-27T08:59")
    before_nine = len(town.chat.messages)
    await office.pass_time("11-27T09:00")

    assert ((3, 0), 0, 1) == (at_midnight, before_nine, len(town.chat.messages))


async def test_a_weekend_waits_for_the_next_workday(town: Town) -> None:
    """What becomes known on Saturday is told on Monday morning."""
    town.configure(chat_config("chat", town.chat.url))
    office = await town.replica()
    await office.post(accepted("2026-11-20T09:00:00"))
    told = []
    for until in ("11-28T12:00", "11-29T12:00", "11-30T08:59", "11-30T09:00"):
        await office.pass_time(until)
        told.append(len(town.chat.messages))

    assert [0, 0, 0, 1] == told


async def test_one_window_is_one_message(town: Town) -> None:
    """What comes up within a quarter of an hour is told together at its end."""
    town.configure(chat_config("chat", town.chat.url))
    office = await town.replica()
    counts = []
    await office.pass_time("11-27T10:00")
    for minute in range(1, 16, 2):
        day = f"2026-11-16T09:{minute:02}:00"
        await office.post(accepted(day, subject=f"late-{minute}"))
        await office.pass_time(f"11-27T10:{minute:02}")
        counts.append(len(town.chat.messages))

    assert [0] * 7 == counts[:-1]
    assert 1 == counts[-1]
    assert "8 件" in town.chat.messages[0]


async def test_what_is_over_by_morning_is_not_told(town: Town) -> None:
    """Nobody reads at nine of a case that was finished at eight."""
    town.configure(chat_config("chat", town.chat.url))
    office = await town.replica()
    await office.post(*many(2))
    await office.pass_time("11-27T00:00")
    await office.post(event("voucher_issued", "2026-11-27T08:00:00", subject="14301000000-0"))
    await office.pass_time("11-27T09:00")

    assert 1 == len(town.chat.messages)
    assert "1 件退税已超办理时限" in town.chat.messages[0]


async def test_a_due_date_by_estimate_is_marked(town: Town) -> None:
    """Due in a year that nobody has published: people and machines are told that it may move."""
    town.configure(webhook_config("machine", town.machine.url), chat_config("chat", town.chat.url))
    office = await town.replica()
    await office.post(accepted("2026-12-28T09:00:00", subject="due on 31 December"))
    await office.post(accepted("2026-12-29T09:00:00", subject="due on 4 January"))
    await office.pass_time("12-30T09:00")
    await office.pass_time("12-31T09:00")

    marked = [
        (case["case_id"], case["due_date"], case["provisional"])
        for notice in town.machine.notices.values()
        for case in notice["cases"]
    ]
    assert [
        ("due on 31 December", "2026-12-31", False),
        ("due on 4 January", "2027-01-04", True),
    ] == sorted(marked)
    assert [False, True] == ["为估算" in message for message in town.chat.messages]


async def test_routes_choose_the_road(town: Town) -> None:
    """Kind, city, office subtree, category and whitelist each keep away what is not asked for."""
    machine = town.machine.url
    roads = {
        "kinds": {"kinds": '["at_risk"]'},
        "levels": {"levels": "[0]"},
        "cities": {"cities": '["430200"]'},
        "offices": {"offices": f'["{ZHUZHOU}"]'},
        "categories": {"categories": '["III"]'},
        "whitelisted": {"whitelisted": "true"},
    }
    blocks = [webhook_config(name, machine, **road) for name, road in roads.items()]
    town.configure(*blocks)
    office = await town.replica()
    await office.post(
        accepted("2026-11-23T09:00:00", subject="plain"),
        accepted("2026-11-24T09:00:00", subject="next day"),
        accepted("2026-11-20T09:00:00", subject="third", category="III"),
        accepted("2026-11-23T09:00:00", subject="white", whitelisted=True),
        accepted("2026-11-23T09:00:00", subject="county", office="14302110000"),
    )
    await office.pass_time("11-27T09:00")

    told = {
        name: sorted(
            case["case_id"]
            for notice in town.machine.notices.values()
            if notice["channel"] == name
            for case in notice["cases"]
        )
        for name in roads
    }

    assert {
        "kinds": ["next day"],
        "levels": ["next day"],
        "cities": ["county"],
        "offices": ["county"],
        "categories": ["third"],
        "whitelisted": ["white"],
    } == told


async def test_a_road_for_breaches_gets_a_breach_that_is_overdue_already(town: Town) -> None:
    """A case that comes in late is told by the highest level that each road asks for."""
    town.configure(
        webhook_config("breaches", town.machine.url, kinds='["breached"]'),
        webhook_config("all", town.machine.url),
    )
    office = await town.replica()
    await office.post(accepted("2026-11-16T09:00:00"))
    await office.pass_time("11-25T09:00")

    told = sorted((n["channel"], n["kind"], n["level"]) for n in town.machine.notices.values())

    assert [("all", "overdue", 3), ("breaches", "breached", 1)] == told


async def test_a_smaller_correction_first_and_then_the_whole(town: Town) -> None:
    """Told of a step, a channel hears that the step was wrong, and later that all of it was."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()
    await office.post(accepted("2026-11-16T09:00:00"))
    await office.pass_time("11-25T09:00")
    pause = event("suspended", "2026-11-18T10:00:00", reason="other")
    await office.post(pause, event("resumed", "2026-11-23T10:00:00"))
    await office.pass_time("11-25T10:00")
    await office.post(event("voucher_issued", "2026-11-18T09:00:00"))
    await office.pass_time("11-25T11:00")

    told = [(n["kind"], n["level"]) for n in town.machine.notices.values()]

    assert [("overdue", 3), ("corrected", 2), ("corrected", 1)] == told


async def test_a_clock_that_ran_ahead_silences_nobody(town: Town) -> None:
    """One look at a wrong date must not keep a channel quiet until that date."""
    town.configure(webhook_config("machine", town.machine.url), chat_config("chat", town.chat.url))
    office = await town.replica()
    await office.pass_time("12-28T09:00")
    town.clock.instant = at("11-23T09:00")
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")

    assert ["14301000000-0"] == town.machine.told("breached")
    assert 1 == len(town.chat.messages)


async def test_nobody_is_told_after_hours(town: Town) -> None:
    """A backlog stops at closing time and goes on in the morning."""
    town.configure(chat_config("chat", town.chat.url))
    office = await town.replica()
    for place in (f"143{n:02}000000" for n in range(1, 7)):
        await office.post(*many(1, office=place))
    await office.sweep("11-27T17:59:59")
    arrived = []
    for until in ("11-27T17:59:59", "11-27T18:00:00", "11-27T18:00:01", "11-30T09:00:00"):
        town.clock.instant = at(until)
        await office.notifiers[0].tick()
        arrived.append(len(town.chat.messages))

    assert [1, 1, 1, 2] == arrived


async def test_a_correction_does_not_overtake_its_breach(town: Town) -> None:
    """After an outage people read what happened in the order in which it happened."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()
    town.machine.status = 500
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    for _ in range(600):
        office.clock.instant += timedelta(seconds=1)
        await office.notifiers[0].tick()
    late = event("voucher_issued", "2026-11-26T17:00:00", subject="14301000000-0")
    await office.post(late)
    await office.service.alerting.sweeper.sweep()
    town.machine.status = 200
    for _ in range(900):
        office.clock.instant += timedelta(seconds=1)
        await office.notifiers[0].tick()

    assert ["breached", "corrected"] == [n["kind"] for n in town.machine.notices.values()]


async def test_the_new_office_is_told_of_what_it_takes_over(town: Town) -> None:
    """A case that was filed under the wrong city is told to the right one, and only to it."""
    town.configure(
        webhook_config("changsha", town.machine.url, cities='["430100"]'),
        webhook_config("zhuzhou", town.machine.url, cities='["430200"]'),
        webhook_config("province", town.machine.url),
    )
    office = await town.replica()
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    moved = event("corrected", "2026-11-27T09:30:00", subject="14301000000-0", office=ZHUZHOU)
    await office.post(moved)
    await office.pass_time("11-27T10:00")

    told = sorted(notice["channel"] for notice in town.machine.notices.values())

    assert ["changsha", "province", "zhuzhou"] == told


async def test_totals_leave_out_what_nobody_was_told(town: Town) -> None:
    """A digest counts the alerts that people know of, as the figures do."""
    town.configure(
        webhook_config("machine", town.machine.url),
        alerts="[alerts]\nenforce_from = 2026-11-27\n",
    )
    office = await town.replica()
    await office.post(*many(1), accepted("2026-11-20T09:00:00", subject="silent"))
    await office.pass_time("11-27T09:00")

    assert [("breached", 1)] == [
        (n["kind"], n["open_total"]) for n in town.machine.notices.values() if n["level"] == 1
    ]


async def test_a_message_that_cannot_be_sent_takes_nothing_else_down(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in a sender is a failed try with a reason; the service lives, the rest goes on."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()

    async def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(WebhookSender, "send", broken)
    await office.post(*many(1))
    await office.sweep("11-27T09:00")
    await office.notifiers[0].tick()
    await office.notifiers[0].tick()

    assert ["a fault of the service; it is in its log"] == await town.outbox("pending")


async def test_a_correction_goes_to_those_who_were_told(town: Town) -> None:
    """Also past a route that asks for breaches only, and to nobody else."""
    town.configure(
        webhook_config("told", town.machine.url, kinds='["breached"]'),
        webhook_config("not-told", town.machine.url, kinds='["at_risk"]'),
    )
    office = await town.replica()
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    await office.post(event("voucher_issued", "2026-11-26T17:00:00", subject="14301000000-0"))
    await office.pass_time("11-27T10:00")

    corrections = [n["channel"] for n in town.machine.notices.values() if n["kind"] == "corrected"]

    assert ["told"] == corrections


async def test_a_new_channel_is_not_told_of_the_past(town: Town) -> None:
    """Setting up a channel is not the moment for a flood."""
    town.configure()
    office = await town.replica()
    await office.post(*many(3))
    await office.pass_time("11-27T09:00")
    town.configure(webhook_config("machine", town.machine.url))
    later = await town.replica()
    await later.pass_time("11-27T09:05")
    before = dict(town.machine.notices)
    await later.post(accepted("2026-11-16T09:00:00", subject="new"))
    await later.pass_time("11-27T09:06")

    assert {} == before
    assert ["new"] == town.machine.told("overdue")


async def test_thousands_of_cases_are_told_in_parts(town: Town) -> None:
    """A machine gets every case id once, a bounded number a message, soon, without statistics."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()
    cases = many(9_300)
    for first in range(0, len(cases), 2_000):
        await office.post(*cases[first : first + 2_000])
    await office.pass_time("11-25T00:00")
    town.machine.notices.clear()
    await office.pass_time("11-27T00:00")

    notices = sorted(town.machine.notices.values(), key=lambda notice: notice["part"])

    sizes = [*(1000 for _ in range(9)), 300]
    assert [(part, 10, size) for part, size in enumerate(sizes, 1)] == [
        (n["part"], n["parts"], n["count"]) for n in notices
    ]
    assert 9_300 == len(set(town.machine.told("breached"))) == len(town.machine.told("breached"))


async def test_a_receiver_that_is_down_is_tried_again(town: Town) -> None:
    """Each try has the same id, the pauses grow, and in the end it is there exactly once."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()
    town.machine.status = 503
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    for _ in range(600):
        office.clock.instant += timedelta(seconds=1)
        await office.notifiers[0].tick()
    while_down = len(town.machine.tries)
    town.machine.status = 200
    await office.pass_time("11-27T09:30")

    assert 5 <= while_down <= 9
    assert 1 == len(set(town.machine.tries)) == len(town.machine.notices)
    assert [] == await town.outbox("pending")


async def test_a_robot_that_refuses_is_a_failure(town: Town) -> None:
    """HTTP 200 with an errcode is no delivery."""
    town.configure(chat_config("chat", town.chat.url))
    office = await town.replica()
    town.chat.errcode = 45009
    await office.post(*many(1))
    await office.sweep("11-27T09:00")
    await office.notifiers[0].tick()
    (reason,) = await town.outbox("pending")

    assert "45009" in reason
    assert [] == town.chat.messages


async def test_a_dead_letter_is_kept_with_its_reason_and_can_be_retried(town: Town) -> None:
    """After the last try operations see it; a retry by hand delivers it under the same id."""
    channel = webhook_config("machine", town.machine.url)
    town.configure(channel, alerts=f"{ALERTS}max_attempts = 2\n")
    office = await town.replica()
    town.machine.status = 500
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    office.clock.instant += timedelta(minutes=5)
    await office.notifiers[0].tick()
    dead = await town.outbox("dead")
    town.machine.status = 200
    async with town.database.transaction() as connection:
        retried = await retry_messages(connection, "machine", None, office.clock())
    await office.notifiers[0].tick()

    assert 1 == len(dead)
    assert "500" in dead[0]
    assert 1 == retried
    assert 3 == len(town.machine.tries)
    assert 1 == len(set(town.machine.tries)) == len(town.machine.notices)


async def test_killed_between_commit_and_send(town: Town) -> None:
    """Whoever dies with a message in its hands loses nothing: the lease ends, another sends it."""
    town.configure(webhook_config("machine", town.machine.url))
    office, other = await town.replica(), await town.replica()
    await office.post(*many(1))
    await office.sweep("11-27T09:00")
    notifier = office.notifiers[0]
    await notifier.announcer.announce(at("11-27T09:00"), at("11-27T09:00"))
    lost = await notifier.courier._claim()
    await other.notifiers[0].tick()
    while_leased = len(town.machine.notices)
    office.clock.instant += timedelta(seconds=20)
    await other.notifiers[0].tick()

    assert lost is not None
    assert 0 == while_leased
    assert [str(lost.notification_id)] == list(town.machine.notices)


async def test_two_replicas_tell_once(town: Town) -> None:
    """Sweeping, digesting and delivering at the same moments, they never do the same twice."""
    town.configure(webhook_config("machine", town.machine.url), chat_config("chat", town.chat.url))
    replicas = [await town.replica(), await town.replica()]
    await replicas[0].post(*many(1_500), *many(40, office=ZHUZHOU))
    for minute in range(4):
        town.clock.instant = at(f"11-27T09:{minute:02}")
        await asyncio.gather(*(r.service.alerting.sweeper.sweep() for r in replicas))
        for second in range(10):
            town.clock.instant = at(f"11-27T09:{minute:02}:{second * 5:02}")
            await asyncio.gather(*(n.tick() for r in replicas for n in r.notifiers))

    assert 1_540 == len(town.machine.told("breached")) == len(set(town.machine.told("breached")))
    assert len(town.machine.tries) == len(set(town.machine.tries)) == 3
    assert 2 == len(town.chat.messages)
    assert [] == await compare_tallies(town.database, local_date(town.clock()))


async def test_a_robot_is_spared(town: Town) -> None:
    """A robot takes so many messages a minute: whichever replica sends, they are spread."""
    town.configure(chat_config("chat", town.chat.url, per_minute=240))
    replicas = [await town.replica(), await town.replica()]
    for office in [f"143{n:02}000000" for n in range(1, 13)]:
        late = accepted("2026-11-18T09:00:00", subject=f"{office}-late", office=office)
        await replicas[0].post(*many(1, office=office), late)
    await replicas[0].sweep("11-27T09:00")
    arrived = []
    for tenth in range(100):
        town.clock.instant = at("11-27T09:00") + timedelta(seconds=tenth / 10)
        await asyncio.gather(*(r.notifiers[0].tick() for r in replicas))
        arrived.append(len(town.chat.messages))

    assert max(later - earlier for earlier, later in zip(arrived, arrived[10:], strict=False)) <= 4
    assert 24 == arrived[-1]


async def test_a_channel_that_is_gone_is_told_to_operations(town: Town) -> None:
    """What waits for a removed channel is given up after a day, with the reason, and counted."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()
    town.machine.status = 500
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    buried = []
    for hours in (23, 25):
        now = at("11-27T09:00") + timedelta(hours=hours)
        async with town.database.transaction() as connection:
            buried.append(await tidy(connection, [], now, timedelta(days=90)))
    async with town.database.connection() as connection:
        figures = await outbox_figures(connection)

    assert [0, 1] == buried
    assert ["the channel is not configured any more"] == await town.outbox("dead")
    assert 1 == figures.delivered["machine", "dead"]


async def test_old_messages_are_forgotten(town: Town) -> None:
    """Sent messages are kept for the retention, then the outbox is small again."""
    town.configure(webhook_config("machine", town.machine.url))
    office = await town.replica()
    await office.post(*many(1))
    await office.pass_time("11-27T09:00")
    kept = []
    for days in (89, 91):
        now = at("11-27T09:00") + timedelta(days=days)
        async with town.database.transaction() as connection:
            await tidy(connection, ["machine"], now, timedelta(days=90))
        kept.append(len(await town.outbox()))

    assert [1, 0] == kept


def test_pauses_grow_and_are_spread() -> None:
    """5 seconds, doubling up to an hour, each somewhere in its upper half."""
    whole = [pause_after(tries, 1.0).total_seconds() for tries in range(1, 21)]
    half = [pause_after(tries, 0.0).total_seconds() for tries in range(1, 21)]

    assert [5, 10, 20, 40, 80] == whole[:5]
    assert LONGEST_PAUSE.total_seconds() == whole[-1]
    assert [pause / 2 for pause in whole] == half
