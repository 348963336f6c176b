"""The whole API against a plain model: whatever is told in whatever order, both say the same.

Events are told, repeated, contradicted, corrected and taken back, out of order and in batches; days
are taken off by a notice while cases stand; the service is started anew. `MODEL_EXAMPLES` looks
longer.
"""

import asyncio
import os
import uuid
from datetime import date
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cloud_events import BATCH, ONE, SOURCE, Json
from conftest import ADMIN_KEY, TEMPLATE, Client, FixedClock, Servers, execute, with_database
from plain_province import Province
from rebate_monitor.domain.local_time import local_date
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.server import application, compose
from rebate_monitor.settings import Settings
from rebate_monitor.storage.database import Database, open_database
from rebate_monitor.storage.recount import compare_tallies

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "8"))
MOST_NOTICES = 1  # writing down the days of a century takes a second
STEPS = 15
CASES = ("a", "b", "c")
STATUS = {"accepted": 201, "duplicate": 200, "conflict": 409}
DAYS_OFF = [date(2026, 11, day) for day in (5, 10, 12, 13, 18)]
HOURS = st.integers(0, 23)
CATEGORIES = st.sampled_from(["I", "II", "III", "IV", None])


def at(day: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    """Make up an instant of November."""
    return st.builds(lambda d, h: f"2026-11-{d:02}T{h:02}:00:00+08:00", day, HOURS)


def told(
    kind: str, when: st.SearchStrategy[str], data: st.SearchStrategy[Json]
) -> st.SearchStrategy[Json]:
    """Make up an event of a kind; few ids, so that some come again with other content."""
    return st.fixed_dictionaries(
        {
            "specversion": st.just("1.0"),
            "id": st.integers(1, 12).map(lambda number: f"{kind}-{number}"),
            "source": st.just(SOURCE),
            "type": st.just(f"rebate.case.{kind}"),
            "subject": st.sampled_from(CASES),
            "time": when,
            "data": data,
        }
    )


FIRST, LATER = at(st.integers(2, 6)), at(st.integers(7, 22))
NOTHING: st.SearchStrategy[Json] = st.just({})
REASONS = st.sampled_from(["supplement", "verification", "other", "hold"])
ATTRIBUTES = st.fixed_dictionaries({"office": st.just("14301000000"), "category": CATEGORIES})
EVENTS = st.one_of(
    told("accepted", FIRST, ATTRIBUTES),
    told("suspended", LATER, st.fixed_dictionaries({"reason": REASONS})),
    told("resumed", LATER, NOTHING),
    told("reviewed", LATER, NOTHING),
    told("approved", LATER, st.fixed_dictionaries({"cash_refund": st.booleans()})),
    told("voucher_issued", LATER, NOTHING),
    told("rejected", LATER, NOTHING),
    told("withdrawn", LATER, NOTHING),
    told("corrected", LATER, st.fixed_dictionaries({"category": CATEGORIES})),
)


class Model(RuleBasedStateMachine):
    """The service on one side, the plain province on the other."""

    main = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.province, self.clock, self.notices = Province(), FixedClock(), 0
        self.name = f"model_{uuid.uuid4().hex[:12]}"
        self.run(execute(self.main, f'CREATE DATABASE "{self.name}" TEMPLATE {TEMPLATE}'))
        self.start()

    def run(self, work: Any) -> Any:  # noqa: ANN401 - whatever it comes to
        """Do something of the service's, on the one loop of this example."""
        return self.runner.run(work)

    @initialize(events=st.lists(told("accepted", FIRST, ATTRIBUTES), min_size=1, max_size=3))
    def accept(self, events: list[Json]) -> None:
        """Begin with something."""
        self.tell_many(events)

    @rule(event=EVENTS)
    def tell(self, event: Json) -> None:
        """Tell one event, new or not."""
        expected = STATUS[self.province.tell(event)]
        assert expected == self.run(self.post(event))

    @rule(events=st.lists(EVENTS, min_size=2, max_size=6))
    def tell_many(self, events: list[Json]) -> None:
        """Tell a batch, in any order."""
        outcomes = [self.province.tell(event) for event in events]
        counts = self.run(self.post_batch(events))

        refused = outcomes.count("conflict")
        assert (outcomes.count("accepted"), outcomes.count("duplicate"), refused) == counts

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Tell again what was told before."""
        events = list(self.province.events.values())
        assert 200 == self.run(self.post(data.draw(st.sampled_from(events))))

    @rule(data=st.data(), number=st.integers(1, 12))
    def retract(self, data: st.DataObject, number: int) -> None:
        """Take back an event, which may be one that was taken back before."""
        names = [name for name in self.province.events if not name[2].startswith("retracted")]
        subject, source, id_ = data.draw(st.sampled_from(names))
        self.tell(
            {
                "specversion": "1.0",
                "id": f"retracted-{number}",
                "source": source,
                "type": "rebate.event.retracted",
                "subject": subject,
                "time": "2026-11-20T09:00:00+08:00",
                "data": {"id": id_},
            }
        )

    @precondition(lambda self: self.notices < MOST_NOTICES)
    @rule(days=st.sets(st.sampled_from(DAYS_OFF), min_size=1))
    def take_days_off(self, days: set[date]) -> None:
        """Put a notice that takes just these workdays off, and lay the cases down anew."""
        self.notices += 1
        self.province.days_off = days
        assert self.run(self.put_calendar(days)) in {200, 201, 202}

    @rule()
    def restart(self) -> None:
        """Start the service anew on the same database."""
        self.run(self.close())
        self.start()

    @invariant()
    def both_say_the_same(self) -> None:
        """Each case, the figures, the tallies."""
        expected = {
            case_id: self.province.judge(case_id, local_date(self.clock()))
            for case_id in self.province.cases()
        }
        cases, performance, differing = self.run(self.asked())

        said = {c["case_id"]: c for c in cases}
        assert set(expected) == set(said)
        for case_id, judged in expected.items():
            case = said[case_id]
            parts = (case["status"], case["verdict"], case["normal"], case["workdays"])
            assert (judged.status, judged.verdict, judged.normal, judged.workdays) == parts, case_id
        done = [j.workdays or 0 for j in expected.values() if j.status == "stopped" and j.normal]
        mean = round(sum(done) / len(done), 4) if done else None
        assert (len(done), mean) == (performance["n"], performance["mean_workdays"])
        assert [] == differing

    async def post(self, event: Json) -> int:
        async with self.client.post("/v1/events", json=event, headers=ONE) as response:
            return response.status

    async def post_batch(self, events: list[Json]) -> tuple[int, int, int]:
        async with self.client.post("/v1/events", json=events, headers=BATCH) as response:
            report = await response.json(content_type=None)
        return report["accepted"], report["duplicate"], report["rejected"]

    async def put_calendar(self, days: set[date]) -> int:
        off = [{"name": "休", "date": str(day), "isOffDay": True} for day in sorted(days)]
        notice = {"year": 2026, "papers": ["https://www.gov.cn/"], "days": off}
        async with self.client.put("/v1/calendar/2026?force=true", json=notice) as response:
            status = response.status
        service = self.service
        recomputer = Recomputer(database=service.database, rules=service.rules, clock=self.clock)
        await recomputer.work()
        return status

    async def asked(self) -> tuple[list[Json], Json, list[Any]]:
        listed = await (await self.client.get("/v1/cases?limit=500")).json()
        told = await (await self.client.get("/v1/performance?from=2026-11-01&to=2026-11-30")).json()
        (all_,) = [group for group in told["groups"] if group["scope"] == "all"]
        return listed["cases"], all_, await compare_tallies(self.database, self.service.today())

    def start(self) -> None:
        """Compose the service anew on the database, and open a client."""
        self.run(self.open())

    async def open(self) -> None:
        self.opened = open_database(with_database(self.main, self.name))
        self.database: Database = await self.opened.__aenter__()
        self.service = compose(Settings(admin_key=ADMIN_KEY), self.database, self.clock)
        await self.service.rules.bring(self.database, self.clock)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        self.client: Client = TestClient(TestServer(application(self.service)), headers=headers)
        await self.client.start_server()

    async def close(self) -> None:
        await self.client.close()
        await self.opened.__aexit__(None, None, None)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.run(self.close())
        self.run(execute(self.main, f'DROP DATABASE "{self.name}" WITH (FORCE)'))
        self.runner.close()


@pytest.fixture
def main(servers: Servers) -> str:
    """Return the DSN of a server with what every example begins with."""
    return servers.dsn("18")


def test_the_service_and_the_plain_rules_agree(main: str) -> None:
    """Whatever happens."""
    Model.main = main
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=EXAMPLES < 50,
            suppress_health_check=list(HealthCheck),
        ),
    )
