"""GET /v1/performance (DESIGN 5): the official figures, worked by hand.

The clock of these tests stands at Monday 2026-11-23 10:00; November 2026 has no holidays.
"""

import pytest

from cloud_events import BATCH, Json, accepted, event
from conftest import Client, FixedClock

ZHUZHOU = "14302000000"
GROUP_KEYS = [
    "group", "scope", "n", "mean_workdays", "median", "p90", "in_time_rate", "same_day_rate",
    "amount_weighted_mean", "target_workdays", "meets_target", "open_n", "open_mean_workdays",
    "mean_if_open_stopped_now", "excluded", "rejected", "withdrawn",
]  # fmt: skip


def stopped(name: str, start: str, end: str, **data: object) -> list[Json]:
    """Tell of a case accepted and stopped on two days, or at two instants, of one year."""
    return [
        accepted(_instant(start), subject=name, **data),
        event("voucher_issued", _instant(end), subject=name),
    ]


def _instant(told: str) -> str:
    return told if "T" in told else f"2026-{told}T09:00:00"


PROVINCE = [
    *stopped("a", "11-09", "11-09", amount_cny="100.00", rebate_type="agency"),
    *stopped("b", "11-09", "11-12", amount_cny="300.00"),
    *stopped("c", "11-09", "11-16", amount_cny="100", category="II", office=ZHUZHOU),
    *stopped("d", "11-09", "11-13", amount_cny="500.00", category="III", office=ZHUZHOU),
    *stopped("e", "11-09", "11-17", category=None),
    accepted("2026-11-19T09:00:00", subject="open", office=ZHUZHOU, amount_cny="1000"),
    accepted("2026-11-16T09:00:00", subject="paused", category="III"),
    event("suspended", "2026-11-18T09:00:00", subject="paused", reason="other"),
    accepted("2026-11-16T09:00:00", subject="excluded-open"),
    event("suspended", "2026-11-18T09:00:00", subject="excluded-open", reason="onsite"),
    *stopped("excluded", "11-02", "11-20", category="II"),
    event("suspended", "2026-11-03T09:00:00", subject="excluded", reason="verification"),
    event("resumed", "2026-11-19T09:00:00", subject="excluded"),
    accepted("2026-11-09T09:00:00", subject="rejected"),
    event("rejected", "2026-11-10T09:00:00", subject="rejected"),
    accepted("2026-11-09T09:00:00", subject="withdrawn", category="III"),
    event("withdrawn", "2026-11-10T09:00:00", subject="withdrawn"),
]
NOTHING = {
    "n": 0, "mean_workdays": None, "median": None, "p90": None, "in_time_rate": None,
    "same_day_rate": None, "amount_weighted_mean": None, "meets_target": None, "open_n": 0,
    "open_mean_workdays": None, "mean_if_open_stopped_now": None, "excluded": 0, "rejected": 0,
    "withdrawn": 0,
}  # fmt: skip


async def tell(client: Client, events: list[Json]) -> None:
    """Post events that must all be taken."""
    async with client.post("/v1/events", json=events, headers=BATCH) as response:
        assert response.status == 200, await response.text()


async def performance(client: Client, query: str = "") -> Json:
    """Return the answer to a query."""
    async with client.get(f"/v1/performance?{query}") as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


async def groups(client: Client, query: str = "") -> list[Json]:
    """Return the groups of an answer."""
    told: list[Json] = (await performance(client, query))["groups"]
    return told


async def test_the_worked_example(client: Client) -> None:
    """Five cases of 0, 3, 5, 4 and 6 workdays, beside open, excluded, rejected and withdrawn."""
    await tell(client, PROVINCE)

    answer = await performance(client, "from=2026-11-01&to=2026-11-30")

    assert answer == {
        "from": "2026-11-01",
        "to": "2026-11-30",
        "by": "none",
        "groups": [
            {
                "group": None,
                "scope": "all",
                "n": 5,
                "mean_workdays": 3.6,
                "median": 4.0,
                "p90": 5.6,
                "in_time_rate": 0.6,
                "same_day_rate": 0.2,
                "amount_weighted_mean": 3.4,
                "target_workdays": 4.0,
                "meets_target": True,
                "open_n": 2,
                "open_mean_workdays": 2.0,
                "mean_if_open_stopped_now": 3.142857,
                "excluded": 1,
                "rejected": 1,
                "withdrawn": 1,
            },
            {
                "group": None,
                "scope": "category_1_2",
                "n": 3,
                "mean_workdays": 2.666667,
                "median": 3.0,
                "p90": 4.6,
                "in_time_rate": 0.666667,
                "same_day_rate": 0.333333,
                "amount_weighted_mean": 2.8,
                "target_workdays": 3.0,
                "meets_target": True,
                "open_n": 1,
                "open_mean_workdays": 2.0,
                "mean_if_open_stopped_now": 2.5,
                "excluded": 1,
                "rejected": 1,
                "withdrawn": 0,
            },
        ],
    }
    assert [GROUP_KEYS, GROUP_KEYS] == [list(group) for group in answer["groups"]]


async def test_this_month_unless_told(client: Client) -> None:
    """Without a period it is this month up to today."""
    answer = await performance(client)

    assert ("2026-11-01", "2026-11-23", "none") == (answer["from"], answer["to"], answer["by"])


async def test_an_empty_period(client: Client) -> None:
    """Where no case stopped, figures are null and counts are 0; the targets stand."""
    everything, categories_1_2 = await groups(client, "from=2026-11-01&to=2026-11-23")

    assert {"group": None, "scope": "all", "target_workdays": 4.0, **NOTHING} == everything
    assert {
        "group": None,
        "scope": "category_1_2",
        "target_workdays": 3.0,
        **NOTHING,
    } == categories_1_2


async def test_an_empty_period_has_no_groups(client: Client) -> None:
    """Groups are those that have a case."""
    assert [] == await groups(client, "by=city")


async def test_a_period_before_any_policy_has_no_target(client: Client) -> None:
    """Before the policy came into force there was nothing to meet."""
    for period, targets in {
        "from=2023-10-01&to=2023-10-25": [None, None],
        "from=2023-10-01&to=2023-10-26": [4.0, 3.0],
    }.items():
        assert targets == [g["target_workdays"] for g in await groups(client, period)]


async def test_a_mean_of_exactly_the_target_meets_it(client: Client) -> None:
    """The mean must not exceed the target; at the target it does not."""
    await tell(client, stopped("a", "11-09", "11-12"))
    await tell(client, stopped("b", "11-09", "11-16", category="III"))

    everything, categories_1_2 = await groups(client)

    assert (4.0, True) == (everything["mean_workdays"], everything["meets_target"])
    assert (3.0, True) == (categories_1_2["mean_workdays"], categories_1_2["meets_target"])


async def test_a_mean_just_over_the_target_does_not(client: Client) -> None:
    """One workday more in one of a hundred cases is over, however it would round."""
    cases = [told for n in range(99) for told in stopped(f"case-{n}", "11-09", "11-12")]
    await tell(client, cases + stopped("late", "11-09", "11-13"))

    _, categories_1_2 = await groups(client)

    assert (3.01, False) == (categories_1_2["mean_workdays"], categories_1_2["meets_target"])


BY: dict[str, dict[str, tuple[float | None, ...]]] = {
    "category": {
        "I": (2, 1.5, 1, 2.0, 0, 1, 0),
        "II": (1, 5.0, 0, None, 1, 0, 0),
        "III": (1, 4.0, 1, 2.0, 0, 0, 1),
        "unknown": (1, 6.0, 0, None, 0, 0, 0),
    },
    "city": {
        "430100": (3, 3.0, 1, 2.0, 1, 1, 1),
        "430200": (2, 4.5, 1, 2.0, 0, 0, 0),
    },
    "office": {
        "14301000000": (3, 3.0, 1, 2.0, 1, 1, 1),
        "14302000000": (2, 4.5, 1, 2.0, 0, 0, 0),
    },
    "month": {"2026-11": (5, 3.6, 2, 2.0, 1, 1, 1)},
    "rebate_type": {
        "agency": (1, 0.0, 0, None, 0, 0, 0),
        "unknown": (4, 4.5, 2, 2.0, 1, 1, 1),
    },
}


async def test_every_grouping(client: Client) -> None:
    """Each grouping gives its groups in order, each with both scopes."""
    await tell(client, PROVINCE)
    names = ("n", "mean_workdays", "open_n", "open_mean_workdays", "excluded", "rejected")

    for by, expected in BY.items():
        told = await groups(client, f"by={by}")
        found = {
            g["group"]: tuple(g[name] for name in (*names, "withdrawn"))
            for g in told
            if g["scope"] == "all"
        }
        assert (by, expected) == (by, found)
        assert [(group, scope) for group in expected for scope in ("all", "category_1_2")] == [
            (g["group"], g["scope"]) for g in told
        ]


async def test_a_group_outside_the_scope(client: Client) -> None:
    """Category III has no case of categories I and II."""
    await tell(client, stopped("d", "11-09", "11-13", category="III"))

    told = await groups(client, "by=category")

    expected = {"group": "III", "scope": "category_1_2", "target_workdays": 3.0, **NOTHING}
    assert expected == told[1]


async def test_months_begin_at_midnight_in_shanghai(client: Client) -> None:
    """A case stopped in the last second of October is October's, in UTC or not."""
    await tell(client, stopped("october", "10-28", "2026-10-31T23:59:59+08:00"))
    await tell(client, stopped("november", "10-28", "2026-10-31T16:00:00Z"))
    for name, end in (("x", "2026-10-31T15:59:59Z"), ("y", "2026-11-01T00:00:00+08:00")):
        await tell(
            client,
            [
                accepted(_instant("10-28"), subject=name),
                event("rejected", end, subject=name),
            ],
        )

    told = await groups(client, "from=2026-10-01&to=2026-11-30&by=month")

    expected = [("2026-10", 1, 1), ("2026-11", 1, 1)]
    assert expected == [(g["group"], g["n"], g["rejected"]) for g in told if g["scope"] == "all"]
    for period in ("from=2026-10-31&to=2026-10-31", "from=2026-11-01&to=2026-11-01"):
        everything, _ = await groups(client, period)
        assert (1, 1) == (everything["n"], everything["rejected"])


async def test_both_days_of_a_period_are_included(client: Client) -> None:
    """A case stopped on the first or the last day is in the period."""
    await tell(client, stopped("a", "11-09", "11-12") + stopped("b", "11-09", "11-13"))

    counts = {
        period: (await groups(client, period))[0]["n"]
        for period in (
            "from=2026-11-12&to=2026-11-13",
            "from=2026-11-12&to=2026-11-12",
            "from=2026-11-13&to=2026-11-13",
            "from=2026-11-14&to=2026-11-23",
            "from=2026-11-01&to=2026-11-11",
        )
    }

    assert [2, 1, 1, 0, 0] == list(counts.values())


async def test_open_cases_grow_as_of_now(client: Client, clock: FixedClock) -> None:
    """What is open counts with the workdays it has run today."""
    await tell(client, [accepted("2026-11-20T09:00:00")])
    seen = []
    for day in (23, 24, 28, 30):
        clock.instant = clock.instant.replace(day=day)
        everything, _ = await groups(client)
        seen.append((everything["open_n"], everything["open_mean_workdays"]))

    assert [(1, 1.0), (1, 2.0), (1, 5.0), (1, 6.0)] == seen


async def test_a_correction_moves_a_case(client: Client) -> None:
    """A category corrected later counts as if it had been so at acceptance."""
    await tell(client, stopped("a", "11-09", "11-13", category="III"))
    await tell(client, [event("corrected", "2026-11-20T09:00:00", subject="a", category="I")])

    _, categories_1_2 = await groups(client)

    assert (1, 4.0, 0.0) == (
        categories_1_2["n"],
        categories_1_2["mean_workdays"],
        categories_1_2["in_time_rate"],
    )


async def test_a_case_without_a_policy_counts_but_is_not_judged(client: Client) -> None:
    """Before the first policy days were counted, and nothing was in time or late."""
    await tell(client, stopped("a", "2023-10-19T09:00:00", "2023-10-24T09:00:00"))

    everything, _ = await groups(client, "from=2023-10-01&to=2023-10-31")

    assert (1, 3.0, None) == (
        everything["n"],
        everything["mean_workdays"],
        everything["in_time_rate"],
    )


WRONG = [
    "by=week",
    "by=",
    "from=2026-13-01",
    "from=yesterday",
    "to=2026-11-31",
    "to=",
    "from=2026-11-02&to=2026-11-01",
    "by=city&by=month",
    "until=2026-11-01",
]


async def test_wrong_parameters_are_422(client: Client) -> None:
    """A wrong, unknown or repeated parameter is named."""
    for query in WRONG:
        async with client.get(f"/v1/performance?{query}") as response:
            told = await response.json(content_type="application/problem+json")
            assert (query, 422) == (query, response.status)
            assert query.partition("=")[0] == told["detail"].partition(":")[0]


@pytest.mark.parametrize("path", ["/v1/performance", "/v1/calendar", "/v1/policies"])
async def test_figures_need_a_key(stranger: Client, path: str) -> None:
    """Without a key there are no figures."""
    assert (await stranger.get(path)).status == 401


async def test_each_month_has_the_target_of_its_own_policy(client: Client) -> None:
    """A month before the first policy has no target, whatever later months of the period have."""
    events = [
        accepted("2023-05-08T09:00:00", subject="early"),
        event("voucher_issued", "2023-05-09T09:00:00", subject="early"),
        accepted("2023-11-06T09:00:00", subject="late"),
        event("voucher_issued", "2023-11-07T09:00:00", subject="late"),
    ]
    await client.post(
        "/v1/events",
        json=events,
        headers={"Content-Type": "application/cloudevents-batch+json"},
    )
    answer = await client.get("/v1/performance?from=2023-05-01&to=2023-12-31&by=month")
    groups = (await answer.json())["groups"]

    assert [("2023-05", None), ("2023-11", 4.0)] == [
        (group["group"], group["target_workdays"]) for group in groups if group["scope"] == "all"
    ]
