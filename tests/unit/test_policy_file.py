"""Policies read from TOML: the packaged one is DESIGN's, and a bad file names the place."""

import tomllib
from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from domain_builders import HUNAN, day
from rebate_monitor.domain.event import Category, EventType, SuspensionReason
from rebate_monitor.domain.policy import (
    DEFAULT_SUSPENSIONS,
    AfterExpiry,
    AppliedPolicy,
    Counting,
    NonWorkdayStart,
    OverlappingPoliciesError,
    PolicyBook,
    Rules,
    Scope,
    StartDay,
    StopAt,
    SuspensionEffect,
)
from rebate_monitor.policy_file import (
    PolicyFileError,
    packaged_policies,
    parse_policies,
    policy_book,
    read_config,
)

LEGAL_LIMITS = resources.files("rebate_monitor") / "policies" / "examples" / "legal-limits.toml"
MINIMAL = """
[[policy]]
id = "minimal"
title = "最小"
effective_from = 2025-01-01
limits = { default = 5 }
"""


def config(text: str) -> dict[str, Any]:
    """Parse TOML as a configuration file is parsed."""
    return tomllib.loads(text)


class TestPackagedPolicy:
    (policy,) = packaged_policies()

    def test_identity_and_dates(self) -> None:
        """The packaged policy is Doc. 46 [2023] from its first to its last day, carried over."""
        assert ("hunan-2023-46", date(2023, 10, 26), date(2024, 12, 31), "carry_over") == (
            self.policy.id,
            self.policy.effective_from,
            self.policy.effective_to,
            self.policy.after_expiry,
        )

    def test_limits(self) -> None:
        """One case of category I or II has 3 workdays, any other 4."""
        expected = {"I": 3, "II": 3, "III": 4, "IV": 4, None: 4}

        assert expected == {c: self.policy.limit(c) for c in [*Category, None]}

    def test_targets(self) -> None:
        """The mean of all normal cases is bound by 4, that of I and II by 3."""
        assert {Scope.ALL: 4, Scope.CATEGORY_1_2: 3} == self.policy.targets

    def test_rules(self) -> None:
        """It stops at the voucher, leaves the start day out, and calls 0 workdays immediate."""
        assert Rules() == self.policy.rules
        assert (StopAt.VOUCHER_ISSUED, StartDay.EXCLUDED, NonWorkdayStart.DAY_1, 0) == (
            self.policy.rules.stop_at,
            self.policy.rules.counting.start_day,
            self.policy.rules.counting.non_workday_start,
            self.policy.rules.immediate_within_workdays,
        )

    def test_suspensions(self) -> None:
        """A supplement runs, doubts exclude, another reason pauses."""
        assert {
            "supplement": "run",
            "verification": "exclude",
            "correspondence": "exclude",
            "onsite": "exclude",
            "hold": "exclude",
            "other": "pause",
        } == self.policy.rules.suspensions

    def test_warnings(self) -> None:
        """It warns with one workday left and steps up 2 and 4 workdays after the limit."""
        assert (1, (2, 4)) == (self.policy.warn_workdays_left, self.policy.escalate_after_workdays)

    def test_a_policy_made_in_code_warns_the_same(self) -> None:
        """The defaults of a policy made without a file are DESIGN's too."""
        assert (1, (2, 4)) == (HUNAN.warn_workdays_left, HUNAN.escalate_after_workdays)

    def test_words_in_both_languages(self) -> None:
        """Explanations can quote it in Chinese and English."""
        assert "46" in self.policy.title
        assert "4个工作日" in self.policy.citation
        assert "within 4 working days" in self.policy.citation_en
        assert "No. 46 [2023]" in self.policy.title_en


class TestParsing:
    def test_defaults(self) -> None:
        """What a policy leaves out is as DESIGN gives it."""
        (policy,) = parse_policies(MINIMAL)

        assert Rules() == policy.rules
        assert (None, AfterExpiry.CARRY_OVER, 1, (2, 4), {}, {}, 5) == (
            policy.effective_to,
            policy.after_expiry,
            policy.warn_workdays_left,
            policy.escalate_after_workdays,
            policy.limits,
            policy.targets,
            policy.default_limit,
        )

    def test_everything_can_be_told(self) -> None:
        """Every rule is policy data."""
        (policy,) = parse_policies(
            MINIMAL
            + """
            effective_to = 2025-12-31
            after_expiry = "none"
            stop_at = "paid"
            warn_workdays_left = 0
            escalate_after_workdays = []
            immediate_within_workdays = 1
            targets = { category_1_2 = 2.5 }
            counting = { start_day = "included", non_workday_start = "next_workday_is_day_0" }
            suspensions = { supplement = "pause" }
            """
        )

        expected = Rules(
            stop_at=StopAt.PAID,
            counting=Counting(start_day=StartDay.INCLUDED, non_workday_start=NonWorkdayStart.DAY_0),
            suspensions={
                **DEFAULT_SUSPENSIONS,
                SuspensionReason.SUPPLEMENT: SuspensionEffect.PAUSE,
            },
            immediate_within_workdays=1,
        )
        assert expected == policy.rules
        assert (day("2025-12-31"), AfterExpiry.NONE, 0, (), {Scope.CATEGORY_1_2: 2.5}) == (
            policy.effective_to,
            policy.after_expiry,
            policy.warn_workdays_left,
            policy.escalate_after_workdays,
            policy.targets,
        )

    def test_each_category_has_its_limit(self) -> None:
        """Limits may be given for every category."""
        text = MINIMAL.replace("default = 5", "I = 1, II = 2, III = 3, IV = 4, default = 5")

        (policy,) = parse_policies(text)

        assert [1, 2, 3, 4, 5] == [policy.limit(c) for c in [*Category, None]]

    def test_a_file_without_policies(self) -> None:
        """A configuration may have no policies of its own."""
        assert () == parse_policies("[channels]\n")

    def test_a_policy_of_one_day(self) -> None:
        """The last day may be the first."""
        (policy,) = parse_policies(MINIMAL + "effective_to = 2025-01-01")

        assert [False, True] == [policy.expired_on(day(on)) for on in ("2025-01-01", "2025-01-02")]

    @pytest.mark.parametrize("stop_at", StopAt)
    def test_every_stop_is_a_milestone(self, stop_at: StopAt) -> None:
        """Every stop that a policy can name is an event that can come."""
        assert EventType(f"rebate.case.{stop_at.value}") == stop_at.event_type


def with_line(line: str) -> str:
    """Add a line to the minimal policy."""
    return MINIMAL + line


def with_limits(limits: str) -> str:
    """Replace the limits of the minimal policy."""
    return MINIMAL.replace("{ default = 5 }", limits)


def without(field: str) -> str:
    """Leave a field of the minimal policy out."""
    return "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(field))


BAD_FILES = {
    "not TOML": ("[[policy", "not TOML"),
    "one policy, no list": ("[policy]\nid = 'x'", "$.policy"),
    "no id": (without("id"), "`id` - at `$.policy[0]`"),
    "no title": (without("title"), "`title` - at `$.policy[0]`"),
    "no first day": (without("effective_from"), "`effective_from` - at `$.policy[0]`"),
    "no limits": (without("limits"), "`limits` - at `$.policy[0]`"),
    "id with a space": (MINIMAL.replace("minimal", "two words"), "$.policy[0].id"),
    "id with a line end": (MINIMAL.replace("minimal", "minimal\\n"), "$.policy[0].id"),
    "id too long": (MINIMAL.replace("minimal", "x" * 64), "$.policy[0].id"),
    "empty title": (MINIMAL.replace("最小", ""), "$.policy[0].title"),
    "first day no date": (MINIMAL.replace("2025-01-01", '"soon"'), "$.policy[0].effective_from"),
    "first day with a time": (
        MINIMAL.replace("2025-01-01", "2025-01-01T00:00:00"),
        "$.policy[0].effective_from",
    ),
    "last day before the first": (with_line("effective_to = 2024-12-31"), "policy 'minimal'"),
    "no general limit": (with_limits("{ I = 3 }"), "`default` - at `$.policy[0].limits`"),
    "limit 0": (with_limits("{ default = 0 }"), "$.policy[0].limits.default"),
    "limit over a year": (with_limits("{ default = 367 }"), "$.policy[0].limits.default"),
    "limit of half days": (with_limits("{ default = 4.5 }"), "$.policy[0].limits.default"),
    "limit true": (with_limits("{ default = true }"), "$.policy[0].limits.default"),
    "limit of a category": (with_limits("{ default = 4, II = -3 }"), "$.policy[0].limits.II"),
    "category V": (with_limits("{ default = 4, V = 3 }"), "`V` - at `$.policy[0].limits`"),
    "misspelt rule": (with_line("stops_at = 'paid'"), "`stops_at` - at `$.policy[0]`"),
    "after_expiry": (with_line("after_expiry = 'ask'"), "$.policy[0].after_expiry"),
    "stop_at": (with_line("stop_at = 'reviewed'"), "$.policy[0].stop_at"),
    "warning below 0": (with_line("warn_workdays_left = -1"), "$.policy[0].warn_workdays_left"),
    "steps falling": (with_line("escalate_after_workdays = [4, 2]"), "policy 'minimal'"),
    "steps twice": (with_line("escalate_after_workdays = [2, 2]"), "policy 'minimal'"),
    "step 0": (
        with_line("escalate_after_workdays = [0]"),
        "$.policy[0].escalate_after_workdays[0]",
    ),
    "immediate below 0": (
        with_line("immediate_within_workdays = -1"),
        "$.policy[0].immediate_within_workdays",
    ),
    "target 0": (with_line("targets = { all = 0 }"), "$.policy[0].targets.all"),
    "target infinite": (with_line("targets = { all = inf }"), "$.policy[0].targets.all"),
    "target not a number": (
        with_line("targets = { category_1_2 = nan }"),
        "$.policy[0].targets.category_1_2",
    ),
    "target of no scope": (
        with_line("targets = { category_3 = 4 }"),
        "`category_3` - at `$.policy[0].targets`",
    ),
    "start day": (with_line("counting = { start_day = 'x' }"), "$.policy[0].counting.start_day"),
    "rest day": (
        with_line("counting = { non_workday_start = 'x' }"),
        "$.policy[0].counting.non_workday_start",
    ),
    "misspelt counting": (with_line("counting = { start = 'x' }"), "$.policy[0].counting"),
    "reason": (with_line("suspensions = { lunch = 'run' }"), "`$.policy[0].suspensions`"),
    "effect": (with_line("suspensions = { other = 'stop' }"), "`$.policy[0].suspensions[...]`"),
    "id twice": (MINIMAL + MINIMAL, "'minimal' is given twice"),
    "second policy": (MINIMAL + with_limits("{ default = 0 }"), "$.policy[1].limits.default"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_bad_file_names_the_place(text: str, place: str) -> None:
    """A policy that DESIGN does not describe is refused, and the message says where."""
    with pytest.raises(PolicyFileError) as raised:
        parse_policies(text)

    assert place in str(raised.value)


class TestPolicyBook:
    def test_packaged_alone(self) -> None:
        """Without a configuration the packaged policy is in force."""
        assert packaged_policies() == policy_book().policies

    def test_same_id_replaces_the_packaged(self) -> None:
        """A policy of the same id takes the packaged one's place."""
        text = MINIMAL.replace('"minimal"', '"hunan-2023-46"')

        (policy,) = policy_book(config(text)).policies

        assert (5, day("2025-01-01")) == (policy.default_limit, policy.effective_from)

    def test_another_id_is_added(self) -> None:
        """A policy of another id stands beside the packaged one."""
        book = policy_book(config(MINIMAL))

        assert ["hunan-2023-46", "minimal"] == [policy.id for policy in book.policies]

    def test_overlap_is_refused(self) -> None:
        """Two policies on one day are refused with both names and the way out."""
        text = MINIMAL.replace("2025-01-01", "2024-12-31")

        with pytest.raises(PolicyFileError, match="'minimal' begins 2024-12-31") as raised:
            policy_book(config(text))

        assert "'hunan-2023-46' is in force until 2024-12-31; end the earlier" in str(raised.value)

    def test_policy_without_an_end_overlaps_every_later_one(self) -> None:
        """A policy in force until further notice must be ended before the next begins."""
        endless = replace(HUNAN, effective_to=None)
        later = replace(HUNAN, id="later", effective_from=day("2030-01-01"))

        with pytest.raises(OverlappingPoliciesError, match="until further notice"):
            PolicyBook([later, endless])

    def test_legal_limits_load_beside_the_packaged_policy(self) -> None:
        """The example file can be laid over the packaged policy as it is."""
        book = policy_book(config(LEGAL_LIMITS.read_text("utf-8")))

        applied = book.on(day("2025-01-01"))

        assert not applied.lapsed
        assert [5, 10, 15, 20, 20] == [applied.limit(c) for c in [*Category, None]]
        assert "hunan-2023-46" == (book.on(day("2024-12-31")).policy or HUNAN).id

    @pytest.mark.parametrize("scope", Scope)
    def test_no_policy_has_no_limit_and_no_target(self, scope: Scope) -> None:
        """Before the first policy there is neither limit nor target, and nothing judges."""
        applied = policy_book().on(day("2023-10-25"))

        assert AppliedPolicy() == applied
        assert (None, None, False) == (
            applied.limit(Category.I),
            applied.target(scope),
            applied.judges,
        )

    def test_lapsed_policy_keeps_its_targets(self) -> None:
        """A policy carried over bounds the means as before."""
        applied = policy_book().on(day("2026-01-05"))

        assert (True, 4) == (applied.lapsed, applied.target(Scope.ALL))

    def test_ended_policy_has_no_limits(self) -> None:
        """A policy that ends for good judges nobody who comes after it."""
        book = PolicyBook([replace(HUNAN, after_expiry=AfterExpiry.NONE)])

        assert [3, None] == [
            book.on(day(on)).limit(Category.I) for on in ("2024-12-31", "2025-01-01")
        ]

    def test_ended_policy_has_no_targets(self) -> None:
        """A policy that ends for good takes its targets with it."""
        book = PolicyBook([replace(HUNAN, after_expiry=AfterExpiry.NONE)])

        assert [4, None] == [
            book.on(day(on)).target(Scope.ALL) for on in ("2024-12-31", "2025-01-01")
        ]

    @pytest.mark.parametrize(
        ("category", "covered"),
        [(Category.I, True), (Category.II, True), (Category.III, False), (None, False)],
    )
    def test_scope_of_categories_1_and_2(self, category: Category | None, *, covered: bool) -> None:
        """An unknown category is in the scope of all cases only."""
        assert (True, covered) == (
            Scope.ALL.covers(category),
            Scope.CATEGORY_1_2.covers(category),
        )


class TestConfigFile:
    def test_read(self, tmp_path: Path) -> None:
        """A configuration is read with its Chinese text."""
        file = tmp_path / "config.toml"
        file.write_text(MINIMAL, "utf-8")

        assert config(MINIMAL) == read_config(file)

    @pytest.mark.parametrize(
        "content", [b"[[policy", "title = '政策'".encode("gb18030")], ids=["not TOML", "not UTF-8"]
    )
    def test_unreadable_content_names_the_file(self, tmp_path: Path, content: bytes) -> None:
        """A file that is no TOML, or not in UTF-8, is refused by its name."""
        file = tmp_path / "config.toml"
        file.write_bytes(content)

        with pytest.raises(PolicyFileError, match=r"config\.toml: "):
            read_config(file)

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is refused by its name."""
        with pytest.raises(PolicyFileError, match=r"absent\.toml"):
            read_config(tmp_path / "absent.toml")
