"""GET /v1/calendar and /v1/policies: what is a workday, which notice says so, which rules judge."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from cloud_events import Json
from conftest import ADMIN_KEY, Client, FixedClock
from holiday_cn import published, put
from rebate_monitor.api.service import Service
from rebate_monitor.domain.policy import AfterExpiry, Policy
from rebate_monitor.ingest.rule_changes import PolicyChange
from rebate_monitor.settings import Settings
from turning import bring

NOTICE_2026 = "国务院办公厅关于2026年部分节假日安排的通知"
NEXT = Policy(id="hunan-2026", title="新办法", effective_from=date(2026, 1, 1), default_limit=3)
VERSION = (
    "version", "policy_version", "valid_from", "valid_to", "rules", "because", "by", "known_since",
)  # fmt: skip
YEAR_VERSION = ("version", "rules", "known_since", "because", "by", "notice", "provisional")
DAYS = {
    "2026-01-01": (False, "day_off", "元旦", NOTICE_2026, False),
    "2026-01-04": (True, "makeup_workday", "元旦", NOTICE_2026, False),
    "2026-02-14": (True, "makeup_workday", "春节", NOTICE_2026, False),
    "2026-02-17": (False, "day_off", "春节", NOTICE_2026, False),
    "2026-10-01": (False, "day_off", "国庆节", NOTICE_2026, False),
    "2026-10-10": (True, "makeup_workday", "国庆节", NOTICE_2026, False),
    "2026-11-20": (True, "workday", None, None, False),
    "2026-11-21": (False, "weekend", None, None, False),
    "2024-02-09": (True, "workday", None, None, False),
    "2027-01-04": (True, "workday", None, None, True),
    "2027-01-09": (False, "weekend", None, None, True),
}


async def publish(service: Service, change: PolicyChange) -> None:
    """Publish a change of the policies, as the command does."""
    published = await bring(service, change)
    assert published is not None


async def calendar(client: Client, query: str = "") -> Json:
    """Return the answer to a query."""
    async with client.get(f"/v1/calendar?{query}") as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


async def test_kinds_of_days(client: Client) -> None:
    """Each kind of day has its name and its notice, and says when it is an estimate."""
    for day, (workday, kind, name, notice, provisional) in DAYS.items():
        answer = await calendar(client, f"from={day}&to={day}")
        assert answer["days"] == [
            {
                "date": day,
                "workday": workday,
                "kind": kind,
                "name": name,
                "notice": notice,
                "provisional": provisional,
            }
        ]


async def test_this_year_unless_told(client: Client, clock: FixedClock) -> None:
    """Without a stretch it is the whole of this year."""
    answer = await calendar(client)

    assert ("2026-01-01", "2026-12-31") == (answer["days"][0]["date"], answer["days"][-1]["date"])
    assert len(answer["days"]) == 365
    assert answer["published_until"] == "2026-12-31"


async def test_one_end_of_a_stretch(client: Client) -> None:
    """A first day alone goes to the end of its year, a last day alone begins its year."""
    first = (await calendar(client, "from=2024-12-30"))["days"]
    last = (await calendar(client, "to=2024-01-03"))["days"]

    assert ["2024-12-30", "2024-12-31"] == [day["date"] for day in first]
    assert ["2024-01-01", "2024-01-02", "2024-01-03"] == [day["date"] for day in last]


async def test_a_year_that_nobody_published(client: Client) -> None:
    """Every day of 2027 is provisional and has no notice; its statutory holidays are estimated."""
    days = {day["date"]: day for day in (await calendar(client, "from=2027-01-01"))["days"]}

    assert all(day["provisional"] and day["notice"] is None for day in days.values())
    assert not any(day["kind"] == "makeup_workday" for day in days.values())
    assert {"day_off"} == {days[d]["kind"] for d in ("2027-01-01", "2027-02-06", "2027-10-01")}


async def test_ten_years_at_most(client: Client) -> None:
    """Ten years are answered, one day more is refused."""
    ten = await calendar(client, "from=2016-03-01&to=2026-02-28")
    async with client.get("/v1/calendar?from=2016-03-01&to=2026-03-01") as response:
        told = await response.json(content_type="application/problem+json")

    assert len(ten["days"]) == 3652
    assert (422, "to: at most 10 years a call") == (response.status, told["detail"])


async def test_ten_years_from_a_leap_day(client: Client) -> None:
    """From 29 February ten years end on 28 February."""
    statuses = [
        (await client.get(f"/v1/calendar?from=2016-02-29&to={last}")).status
        for last in ("2026-02-28", "2026-03-01")
    ]

    assert [200, 422] == statuses


async def test_the_ends_of_the_calendar(client: Client) -> None:
    """The calendar has its first and last day, and says which when asked beyond."""
    for query, status in {
        "from=2000-01-01&to=2000-01-01": 200,
        "from=1999-12-31&to=2000-01-01": 422,
        "from=2099-12-31": 200,
        "from=2099-12-31&to=2100-01-01": 422,
        "to=9999-12-31": 422,
    }.items():
        assert (query, status) == (query, (await client.get(f"/v1/calendar?{query}")).status)


WRONG = [
    "from=today",
    "to=2026-02-29",
    "from=",
    "from=2026-02-01&to=2026-01-01",
    "from=2026-01-01&from=2026-01-01",
    "year=2026",
]


async def test_wrong_parameters_are_422(client: Client) -> None:
    """A wrong, unknown or repeated parameter is named."""
    for query in WRONG:
        async with client.get(f"/v1/calendar?{query}") as response:
            told = await response.json(content_type="application/problem+json")
            assert (query, 422) == (query, response.status)
            assert query.partition("=")[0] == told["detail"].partition(":")[0]


async def test_the_packaged_policy(client: Client) -> None:
    """The policy is told with every rule, and that it has lapsed."""
    told = await (await client.get("/v1/policies")).json()

    (policy,) = told["policies"]
    (version,) = policy.pop("versions")
    citations = [policy.pop(name) for name in ("title", "title_en", "citation", "citation_en")]
    assert all(citations)
    assert policy == {
        "id": "hunan-2023-46",
        "effective_from": "2023-10-26",
        "effective_to": "2024-12-31",
        "after_expiry": "carry_over",
        "lapsed": True,
        "state": "carried_over",
        "applied": False,
        "stop_at": "voucher_issued",
        "warn_workdays_left": 1,
        "escalate_after_workdays": [2, 4],
        "immediate_within_workdays": 0,
        "limits": {"I": 3, "II": 3, "III": 4, "IV": 4, "default": 4},
        "targets": {"all": 4.0, "category_1_2": 3.0},
        "counting": {"start_day": "excluded", "non_workday_start": "next_workday_is_day_1"},
        "suspensions": {
            "supplement": "run",
            "verification": "exclude",
            "correspondence": "exclude",
            "onsite": "exclude",
            "hold": "exclude",
            "other": "pause",
        },
    }
    assert [] == told["withdrawn"]
    assert ("start", None, None, "2023-10-26", "2024-12-31") == tuple(
        version[name] for name in ("because", "by", "known_since", "valid_from", "valid_to")
    )


async def policies(client: Client) -> Json:
    """Return every policy."""
    answer: Json = await (await client.get("/v1/policies")).json()
    return answer


async def test_versions_of_a_policy(client: Client, service: Service, clock: FixedClock) -> None:
    """Each version has its days, since when it is known, who brought it and how."""
    await publish(service, PolicyChange(by="李红", policies=(NEXT,)))
    clock.instant += timedelta(hours=1)
    retired = replace(NEXT, effective_to=date(2026, 11, 30))
    await publish(service, PolicyChange(by="王小明", because="retire", policies=(retired,)))
    told = {policy["id"]: policy for policy in (await policies(client))["policies"]}

    assert (False, True) == (told["hunan-2023-46"]["applied"], told["hunan-2026"]["applied"])
    assert [
        (1, NEXT.version, "2026-01-01", None, 2, "apply", "李红", "2026-11-23T10:00:00+08:00"),
        (
            2,
            retired.version,
            "2026-01-01",
            "2026-11-30",
            3,
            "retire",
            "王小明",
            "2026-11-23T11:00:00+08:00",
        ),
    ] == [tuple(version[name] for name in VERSION) for version in told["hunan-2026"]["versions"]]


async def test_a_withdrawn_policy_stands_apart(client: Client, service: Service) -> None:
    """It judges nobody, and is still told with its versions; the last says who took it away."""
    await publish(service, PolicyChange(by="李红", policies=(NEXT,)))
    before = await policies(client)
    withdrawal = PolicyChange(by="王小明", because="withdraw", withdrawn=frozenset({NEXT.id}))
    await publish(service, withdrawal)
    after = await policies(client)

    assert ([], ["hunan-2023-46", NEXT.id]) == (
        before["withdrawn"],
        [policy["id"] for policy in before["policies"]],
    )
    assert ["hunan-2023-46"] == [policy["id"] for policy in after["policies"]]
    (gone,) = after["withdrawn"]
    assert (NEXT.id, NEXT.title) == (gone["id"], gone["title"])
    assert [("apply", NEXT.version, "2026-01-01"), ("withdraw", None, None)] == [
        (version["because"], version["policy_version"], version["valid_from"])
        for version in gone["versions"]
    ]


ENDED = replace(NEXT, effective_to=date(2026, 11, 23))
TODAY = {
    "2025-12-31": (NEXT, ["carried_over", "upcoming"]),
    "2026-01-01": (NEXT, ["replaced", "in_force"]),
    "2026-11-23": (ENDED, ["replaced", "in_force"]),
    "2026-11-24": (ENDED, ["replaced", "carried_over"]),
    "2026-11-25": (replace(ENDED, after_expiry=AfterExpiry.NONE), ["replaced", "lapsed"]),
}


@pytest.mark.parametrize("today", TODAY)
async def test_what_a_policy_is_today(
    client: Client, service: Service, clock: FixedClock, today: str
) -> None:
    """The state says which policy judges a case that is accepted today, and whether any does."""
    policy, states = TODAY[today]
    await publish(service, PolicyChange(by="李红", policies=(policy,)))
    clock.instant = datetime.fromisoformat(f"{today}T09:00:00+08:00")

    assert states == [policy["state"] for policy in (await policies(client))["policies"]]


async def versions(client: Client, year: int) -> list[Json]:
    """Return the versions of a year."""
    async with client.get(f"/v1/calendar/{year}/versions") as response:
        assert response.status == 200, await response.text()
        answer: list[Json] = (await response.json())["versions"]
        return answer


async def test_versions_of_a_year(client: Client, service: Service) -> None:
    """The first is the package's, known always; a later one says who brought it, and its days."""
    first = await versions(client, 2026)
    told = published(2026, "国办发明电〔2026〕9号", off=["2026-11-24"])
    await put(client, told)
    later = await versions(client, 2026)

    assert [(1, 1, None, "start", None, NOTICE_2026, False)] == [
        tuple(version[name] for name in YEAR_VERSION) for version in first
    ]
    assert first == later[:1]
    assert (
        2,
        2,
        "2026-11-23T10:00:00+08:00",
        "import",
        "REBATE_ADMIN_KEY",
        "国办发明电〔2026〕9号",
    ) == (tuple(later[1][name] for name in YEAR_VERSION[:-1]))
    assert {
        "date": "2026-11-24",
        "kind": "day_off",
        "name": "加放",
        "notice": "国办发明电〔2026〕9号",
    } == later[1]["days"][-1]
    assert 1 == len(await versions(client, 2025))


async def test_an_estimated_year_has_a_version(client: Client) -> None:
    """A year that nobody has published is an estimate without a notice."""
    (told,) = await versions(client, 2027)

    assert (None, True, "day_off") == (told["notice"], told["provisional"], told["days"][0]["kind"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("2100/versions", "year: must be"),
        ("26/versions", "year: must be"),
        ("2026/versions?a=1", "a:"),
    ],
)
async def test_versions_of_no_year(client: Client, path: str, said: str) -> None:
    """A year outside the calendar and an unknown parameter are 422."""
    async with client.get(f"/v1/calendar/{path}") as response:
        told = await response.json()

    assert 422 == response.status
    assert told["detail"].startswith(said)


@pytest.mark.parametrize("path", ["calendar", "calendar/2026/versions", "policies"])
async def test_a_key_is_needed(stranger: Client, path: str) -> None:
    """The rules are not for everybody."""
    async with stranger.get(f"/v1/{path}") as response:
        assert 401 == response.status


class TestAnotherPolicy:
    """The policy of a configuration stands beside the packaged one."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        """Return settings whose configuration adds a policy from 2025 on."""
        config = tmp_path / "config.toml"
        config.write_text(
            '[[policy]]\nid = "hunan-2025"\ntitle = "新办法"\neffective_from = 2025-01-01\n'
            "limits = { I = 1, default = 2 }\ntargets = { all = 2.5 }\n",
            encoding="utf-8",
        )
        return Settings(admin_key=ADMIN_KEY, config=config)

    async def test_policies_in_order(self, client: Client) -> None:
        """Every policy is listed, the earliest first, each with its own limits."""
        told = (await (await client.get("/v1/policies")).json())["policies"]

        assert ["hunan-2023-46", "hunan-2025"] == [policy["id"] for policy in told]
        assert [True, False] == [policy["lapsed"] for policy in told]
        assert {"I": 1, "II": 2, "III": 2, "IV": 2, "default": 2} == told[1]["limits"]

    async def test_the_target_of_a_period_is_its_last_day_s(self, client: Client) -> None:
        """A period is measured by the policy in force on its last day."""
        told = {
            last: (await (await client.get(f"/v1/performance?to={last}")).json())["groups"]
            for last in ("2024-12-31", "2025-01-01")
        }

        assert [4.0, 3.0] == [group["target_workdays"] for group in told["2024-12-31"]]
        assert [2.5, None] == [group["target_workdays"] for group in told["2025-01-01"]]
