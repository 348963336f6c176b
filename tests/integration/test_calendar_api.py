"""GET /v1/calendar and /v1/policies: what is a workday, which notice says so, which rules judge."""

from pathlib import Path

import pytest

from cloud_events import Json
from conftest import ADMIN_KEY, Client, FixedClock
from rebate_monitor.settings import Settings

NOTICE_2026 = "国务院办公厅关于2026年部分节假日安排的通知"
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
    citations = [policy.pop(name) for name in ("title", "title_en", "citation", "citation_en")]
    assert all(citations)
    assert policy == {
        "id": "hunan-2023-46",
        "effective_from": "2023-10-26",
        "effective_to": "2024-12-31",
        "after_expiry": "carry_over",
        "lapsed": True,
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
