"""The circular on a month tells the figures that the API answers, for a province full of dirt."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import pytest

from cloud_events import STREAM, Json, accepted, event, ndjson
from conftest import Client, FixedClock
from rebate_monitor.api.service import Service
from rebate_monitor.catalogue import Language
from rebate_monitor.circular.compose import Wanted, compose
from rebate_monitor.circular.csv_file import csv_file
from rebate_monitor.circular.facts import Facts
from rebate_monitor.circular.reading import MonthAsked, read_facts
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.local_time import SHANGHAI, local_date
from rebate_monitor.domain.periods import named_month
from rebate_monitor.simulation.province import Province
from rebate_monitor.storage.frozen import Closing

SECTIONS = {
    "city": "cities",
    "office": "offices",
    "category": "categories",
    "rebate_type": "rebate_types",
}
MIN_CASES = 5
NOT_OF_THE_API = {"excluded_share", "limit_workdays", "city"}
Key = tuple[str, str, str, str]


@pytest.fixture
async def province(client: Client, service: Service, clock: FixedClock) -> None:
    """Tell of fourteen months of a made-up province, with much that producers get wrong."""
    made_up = Province(calendar=service.rules.own.calendar, seed=11, cases_per_month=100, dirt=8.0)
    history = made_up.history(datetime(2025, 9, 20, tzinfo=SHANGHAI), clock())
    async with client.post(
        "/v1/events", data=io.BytesIO(ndjson(list(history))), headers=STREAM
    ) as response:
        assert response.status == 207, await response.text()


async def facts(service: Service, month: str, *, internal: bool = True) -> Facts:
    async with service.database.transaction(snapshot=True) as connection:
        asked = MonthAsked(
            month=named_month(month),
            now=service.now(),
            rules=await service.rules.in_force(connection),
            places=service.places,
            with_quality=internal,
        )
        return await read_facts(connection, asked)


async def figures(service: Service, month: str, *, internal: bool = True) -> dict[Key, str]:
    """Return every figure of a report that it tells, as its CSV has it."""
    wanted = Wanted(language=Language.ZH, internal=internal, min_cases=MIN_CASES)
    told = compose(await facts(service, month, internal=internal), service.places, wanted)
    rows = csv.DictReader(io.StringIO(csv_file(told).decode("utf-8-sig")))
    return {
        (row["section"], row["group"], row["scope"], row["figure"]): row["value"]
        for row in rows
        if row["suppressed"] == "false" and row["section"] != "report"
    }


async def answer(client: Client, path: str) -> Json:
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        told: Json = await response.json()
        return told


def text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


async def told_by_the_api(client: Client, period: str) -> dict[Key, Json]:
    """Return the groups of the evaluation by section, group and scope."""
    found: dict[Key, Json] = {}
    for by in ("none", *SECTIONS):
        told = await answer(client, f"/v1/evaluation?{period}&by={by}&min_cases={MIN_CASES}")
        for group in told["groups"]:
            for section in ("means", "behind") if by == "none" else (SECTIONS[by],):
                found[section, group["group"] or "all", group["scope"], ""] = group
            if by == "none":
                for section in ("cities", "categories", "rebate_types"):
                    found[section, "all", group["scope"], ""] = group
    return found


def compared(told: dict[Key, str], groups: dict[Key, Json]) -> Iterator[tuple[Key, str, str]]:
    """Yield each figure of groups that the API has, too, with what both say."""
    for (section, group, scope, figure), value in told.items():
        answered = groups.get((section, group, scope, ""))
        if answered is not None and figure not in NOT_OF_THE_API:
            yield (section, group, scope, figure), text(answered[figure]), value


@pytest.mark.parametrize(
    ("month", "period"), [("2026-10", "period=last_month"), ("2026-11", "period=month")]
)
async def test_every_figure_of_groups_is_that_of_the_evaluation(
    client: Client, service: Service, province: None, month: str, period: str
) -> None:
    """All cities, offices, categories, types and totals, ranks and changes included."""
    groups = await told_by_the_api(client, period)
    told = await figures(service, month)
    both = list(compared(told, groups))

    assert {key: one for key, one, _ in both} == {key: other for key, _, other in both}
    assert {key[:3] for key in groups if key[2] == "all"} <= {key[:3] for key, _, _ in both}
    assert len(both) > 800
    assert {key[3] for key, _, _ in both} >= {"rank", "change_on_year", "refiled", "p90"}


async def test_the_distribution_and_the_anomalies_are_those_of_the_evaluation(
    client: Client, service: Service, province: None
) -> None:
    """Each number of workdays with its parts, and each anomaly with its source."""
    answered = await answer(client, "/v1/evaluation?period=last_month")
    told = await facts(service, "2026-10")

    assert answered["distribution"] == [
        {
            "workdays": row.workdays,
            "n": row.n,
            "in_time": row.in_time,
            "late": row.late,
            "unjudged": row.unjudged,
        }
        for row in told.distribution
    ]
    assert answered["data_quality"] == [dict(row._asdict()) for row in told.data_quality]
    assert len(answered["distribution"]) > 3
    assert answered["data_quality"]


async def test_the_trend_is_that_of_the_performance_by_month(
    client: Client, service: Service, province: None
) -> None:
    """Each of twelve months in both scopes, against the target of its last day."""
    answered = await answer(client, "/v1/performance?from=2025-11-01&to=2026-10-31&by=month")
    names = ("n", "mean_workdays", "target_workdays", "in_time_rate", "same_day_rate")
    expected = {
        ("trend", group["group"], group["scope"], name): text(group[name])
        for group in answered["groups"]
        for name in names
    }
    told = {key: v for key, v in (await figures(service, "2026-10")).items() if key[0] == "trend"}

    assert 12 == len({key[1] for key in told})
    assert {key: expected[key] for key in told} == told


async def test_what_leaves_the_office_is_the_same_or_hidden(
    service: Service, province: None
) -> None:
    """Without `internal` figures are left out, none is another; ranks are among those shown."""
    inside = await figures(service, "2026-10")
    outside = await figures(service, "2026-10", internal=False)
    both = [key for key in outside if key in inside and key[3] != "rank"]

    assert {key: inside[key] for key in both} == {key: outside[key] for key in both}
    assert 300 < len(both) < len(inside) - 300
    assert set() == {key[0] for key in outside} & {"data_quality"}


async def test_stages_and_suspensions_are_those_of_the_cases(
    client: Client, service: Service, province: None, clock: FixedClock
) -> None:
    """The time by stage and by suspension adds up from what each case says of itself."""
    stages: dict[str, list[int]] = defaultdict(list)
    suspended: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for case in await every_case(client):
        if case["normal"] and (case["stopped_at"] or "").startswith("2026-10"):
            for stage in case["stages"]:
                stages[stage["case_stage"]].append(stage["workdays"])
        for one in case["suspensions"]:
            if one["from"].startswith("2026-10"):
                suspended[one["reason"]].append((case["case_id"], one["to"] is None))
    told = await facts(service, "2026-10")

    assert {name: (len(days), sum(days)) for name, days in stages.items()} == {
        stage.case_stage: (stage.n, stage.workdays_sum) for stage in told.stages if stage.n
    }
    assert {
        reason: (len(found), len({case for case, _ in found}), sum(lasts for _, lasts in found))
        for reason, found in suspended.items()
    } == {s.reason: (s.n, s.cases, s.lasting) for s in told.suspensions if s.n}
    assert len(suspended) > 1


async def every_case(client: Client) -> list[Json]:
    """Read every case in full that has been suspended or has stopped."""
    found: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await answer(client, f"/v1/cases?limit=500{cursor and f'&cursor={cursor}'}")
        found += [
            await answer(client, f"/v1/cases/{case['case_id']}")
            for case in page["cases"]
            if (case["accepted_at"] or "") > "2026-08"
        ]
        cursor = page["next"]
    return found


async def test_suspensions_have_their_workdays(client: Client, service: Service) -> None:
    """One that ended has the workdays from its first to its last day, one that lasts to today."""
    told = [
        accepted("2026-10-09T09:00:00", subject="a"),
        event("suspended", "2026-10-12T09:00:00", subject="a", reason="hold"),
        event("resumed", "2026-10-19T09:00:00", subject="a"),
        event("suspended", "2026-10-30T23:59:59", subject="a", reason="hold"),
        event("suspended", "2026-11-01T00:00:00", subject="a", reason="other"),
    ]
    async with client.post("/v1/events", data=ndjson(told), headers=STREAM) as response:
        assert response.status == 200, await response.text()
    between = service.rules.own.calendar.workdays_between
    spans = [(12, 19, 10), (30, 23, 11)]
    expected = sum(
        between(
            named_month("2026-10").first.replace(day=start), service.today().replace(month=m, day=d)
        )
        for start, d, m in spans
    )
    found = {s.reason: s for s in (await facts(service, "2026-10")).suspensions}
    hold = found[SuspensionReason.HOLD]

    assert (2, 1, 1, expected) == (hold.n, hold.cases, hold.lasting, hold.workdays_sum)
    assert (1, 1) == (hold.lasting_cases, hold.ended_cases)
    assert 0 == found[SuspensionReason.OTHER].n


async def test_a_closed_month_is_told_with_its_corrections(
    client: Client, service: Service, clock: FixedClock
) -> None:
    """A report says when the month was closed, and that it has changed since."""
    told = [
        accepted("2026-10-09T09:00:00", subject="a"),
        event("voucher_issued", "2026-10-12T09:00:00", subject="a"),
    ]
    await client.post("/v1/events", data=ndjson(told), headers=STREAM)
    closing = Closing(
        month=named_month("2026-10"), by="office", rules=service.rules, clock=service.now
    )
    before = (await facts(service, "2026-10")).closed
    await closing.close(service.database)
    closed = (await facts(service, "2026-10")).closed
    late = event("voucher_issued", "2026-10-13T09:00:00", subject="b")
    more = [accepted("2026-10-09T09:00:00", subject="b"), late]
    clock.instant = clock.instant.replace(hour=11)
    await client.post("/v1/events", data=ndjson(more), headers=STREAM)
    corrected = (await facts(service, "2026-10")).closed

    assert before is None
    assert closed is not None
    assert corrected is not None
    assert (False, True) == (closed.differs, corrected.differs)
    assert service.today() == local_date(closed.closed_at)
