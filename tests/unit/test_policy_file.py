"""Policies read from TOML: the packaged one is DESIGN's, and a bad file names the place."""

import tomllib
from contextlib import suppress
from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_builders import HUNAN, day
from made_up_policies import made_up_policies
from rebate_monitor.domain.event import Category, EventType, SuspensionReason
from rebate_monitor.domain.policy import (
    DEFAULT_SUSPENSIONS,
    AfterExpiry,
    AppliedPolicy,
    Counting,
    NonWorkdayStart,
    OverlappingPoliciesError,
    Policy,
    PolicyBook,
    Rules,
    Scope,
    StartDay,
    StopAt,
    SuspensionEffect,
)
from rebate_monitor.policy_file import (
    PolicyFileError,
    convert_policies,
    packaged_policies,
    parse_policies,
    policy_book,
    policy_toml,
    read_config,
)
from rebate_monitor.server import rulebook
from rebate_monitor.settings import Settings

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


RULE = "must be a whole number of workdays from 1 to 366"
RULE_0 = "must be a whole number of workdays from 0 to 366"
STEPS = (
    "must be whole numbers of workdays from 1 to 366, each greater than the one before, "
    "such as [2, 4]"
)
MEAN = "must be a number of workdays above 0 and not above 366"
DAY = "must be a date such as 2024-12-31"
BAD_FILES = {
    "one policy, no list": (
        "[policy]\nid = 'x'",
        "[[policy]]: is a table; must be tables, each written [[policy]]",
    ),
    "a number for a policy": ("policy = [1]", "policy 1: 1 is a whole number; must be a table"),
    "no id": (without("id"), "policy 1: id: is missing; must be 1 to 63 of a-z, 0-9 and -, not be"),
    "no title": (without("title"), "title: is missing; must be a text of 1 to 2000 characters"),
    "no first day": (without("effective_from"), f"effective_from: is missing; {DAY}"),
    "no limits": (without("limits"), "limits: is missing; must be a table such as { I = 3, II = 3"),
    "id a number": (MINIMAL.replace('"minimal"', "7"), "policy 1: id: 7 is a whole number; mus"),
    "id with a space": (
        MINIMAL.replace("minimal", "two words"),
        'policy "two words": id: "two words" is of another form; must be 1 to 63 of a-z, 0-9 and -',
    ),
    "id with a line end": (
        MINIMAL.replace("minimal", "minimal\\n"),
        r'policy "minimal\n": id: "minimal\n" is of another form',
    ),
    "id too long": (MINIMAL.replace("minimal", "x" * 64), f'id: "{"x" * 60}…" is of another form'),
    "empty title": (MINIMAL.replace("最小", ""), 'title: "" is empty; must be a text of 1 to 2000'),
    "long title": (MINIMAL.replace("最小", "最" * 2001), '…" has 2001 characters; must be a text'),
    "title with NUL": (MINIMAL.replace("最小", "\\u0000"), r'title: "\u0000" is of another form'),
    "citation with NUL": (with_line('citation = "\\u0000"'), "citation: "),
    "citation no text": (with_line("citation = 4"), "citation: 4 is a whole number; must be a t"),
    "first day no date": (
        MINIMAL.replace("2025-01-01", '"soon"'),
        f'effective_from: "soon" is no date; {DAY}',
    ),
    "first day with a time": (
        MINIMAL.replace("2025-01-01", "2025-01-01T00:00:00"),
        f"effective_from: 2025-01-01T00:00:00 is a date with a time; {DAY}",
    ),
    "first day with a time and an offset": (
        MINIMAL.replace("2025-01-01", "2025-01-01T00:00:00+08:00"),
        f"effective_from: 2025-01-01T00:00:00+08:00 is a date with a time; {DAY}",
    ),
    "first day a time": (MINIMAL.replace("2025-01-01", "08:30:00"), "08:30:00 is a time of day"),
    "last day before the first": (
        with_line("effective_to = 2024-12-31"),
        "effective_to 2024-12-31 lies before effective_from 2025-01-01",
    ),
    "limits no table": (with_limits("4"), "limits: 4 is a whole number; must be a table such as {"),
    "no general limit": (with_limits("{ I = 3 }"), f"limits.default: is missing; {RULE}"),
    "limit 0": (with_limits("{ default = 0 }"), f"limits.default: 0 is out of range; {RULE}"),
    "limit over a year": (with_limits("{ default = 367 }"), "limits.default: 367 is out of range"),
    "limit huge": (with_limits(f"{{ default = 0x{'f' * 5000} }}"), "default: a huge number is out"),
    "limit of half days": (
        with_limits("{ default = 4.5 }"),
        f"limits.default: 4.5 is a number with a decimal point; {RULE}",
    ),
    "limit true": (with_limits("{ default = true }"), "limits.default: true is a truth value; mus"),
    "limit as text": (
        with_limits('{ default = 4, I = "3" }'),
        f'policy "minimal": limits.I: "3" is text; {RULE}',
    ),
    "limit of a category": (with_limits("{ default = 4, II = -3 }"), "limits.II: -3 is out of ran"),
    "category V": (
        with_limits("{ default = 4, V = 3 }"),
        "limits.V: unknown; must be one of default, I, II, III, IV",
    ),
    "misspelt rule": (with_line("stops_at = 'paid'"), "stops_at: unknown field; did you mean stop"),
    "no such rule": (with_line("colour = 'red'"), "colour: unknown; must be one of id, title"),
    "field with a line end": (with_line('"a\\nb" = 1'), r'"a\nb": unknown; must be one of id'),
    "after_expiry": (
        with_line("after_expiry = 'ask'"),
        'after_expiry: "ask" is unknown; must be one of carry_over, none',
    ),
    "stop_at": (
        with_line("stop_at = 'reviewed'"),
        'stop_at: "reviewed" is unknown; must be one of voucher_issued, approved, paid',
    ),
    "stop_at an array": (with_line("stop_at = ['paid']"), "stop_at: is an array; must be one of"),
    "warning below 0": (
        with_line("warn_workdays_left = -1"),
        f"warn_workdays_left: -1 is out of range; {RULE_0}",
    ),
    "steps falling": (
        with_line("escalate_after_workdays = [4, 2]"),
        f"escalate_after_workdays: [4, 2] does not rise; {STEPS}",
    ),
    "steps twice": (with_line("escalate_after_workdays = [2, 2]"), "[2, 2] does not rise"),
    "step 0": (with_line("escalate_after_workdays = [0]"), "escalate_after_workdays: 0 is out of "),
    "too many steps": (
        with_line(f"escalate_after_workdays = {[1] * 367}"),
        "escalate_after_workdays: is an array of 367; must be whole numbers of workdays",
    ),
    "no steps": (with_line("escalate_after_workdays = 2"), "escalate_after_workdays: 2 is a whol"),
    "immediate below 0": (
        with_line("immediate_within_workdays = -1"),
        f"immediate_within_workdays: -1 is out of range; {RULE_0}",
    ),
    "target 0": (with_line("targets = { all = 0 }"), f"targets.all: 0 is out of range; {MEAN}"),
    "target infinite": (with_line("targets = { all = inf }"), "targets.all: inf is out of range"),
    "target not a number": (
        with_line("targets = { category_1_2 = nan }"),
        "targets.category_1_2: nan is out of range",
    ),
    "target of no scope": (
        with_line("targets = { category_3 = 4 }"),
        "targets.category_3: unknown",
    ),
    "start day": (
        with_line("counting = { start_day = 'x' }"),
        'counting.start_day: "x" is unknown; must be one of excluded, included',
    ),
    "rest day": (
        with_line("counting = { non_workday_start = 'x' }"),
        "counting.non_workday_start: ",
    ),
    "misspelt counting": (with_line("counting = { start = 'x' }"), "counting.start: unknown; must"),
    "reason": (
        with_line("suspensions = { lunch = 'run' }"),
        "suspensions.lunch: unknown; must be one of supplement, verification, correspondence, ",
    ),
    "misspelt reason": (
        with_line("suspensions = { suplement = 'run' }"),
        "suspensions.suplement: unknown field; did you mean supplement?",
    ),
    "effect": (
        with_line("suspensions = { other = 'stop' }"),
        'suspensions.other: "stop" is unknown; must be one of run, pause, exclude',
    ),
    "id twice": (MINIMAL + MINIMAL, 'policy id "minimal" is given twice'),
    "second policy": (
        MINIMAL + with_limits("{ default = 0 }").replace("minimal", "second"),
        'policy "second": limits.default: 0 is out of range',
    ),
}  # fmt: skip


def problems(text: str) -> tuple[str, ...]:
    """Return the problems for which a text is refused."""
    with pytest.raises(PolicyFileError) as refused:
        parse_policies(text)
    return refused.value.problems


@pytest.mark.parametrize(("text", "problem"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_bad_policy_is_told(text: str, problem: str) -> None:
    """What is wrong is told with policy, field, problem and rule, and nothing is told beside it."""
    told = problems(text)

    assert [True] == [problem in each for each in told]
    assert told[0].startswith(("policy ", "[[policy]]: "))


class TestEveryProblem:
    def test_all_of_all_policies(self) -> None:
        """All problems of all policies come in one go, each policy by its id or its place."""
        told = problems("""
            [[policy]]
            id = "hunan-2025"
            title = "x"
            effective_form = 2025-01-01
            effective_to = "soon"
            limits = { I = "3", V = 1 }
            escalate_after_workdays = [0, 2, "x"]

            [[policy]]
            title = "x"
            effective_from = 2025-02-01
            effective_to = 2025-01-31
            limits = { default = 4 }
            escalate_after_workdays = [4, 2]
            """)

        assert [
            'policy "hunan-2025": effective_form: unknown field; did you mean effective_from?',
            f'policy "hunan-2025": effective_to: "soon" is no date; {DAY}',
            f'policy "hunan-2025": limits.I: "3" is text; {RULE}',
            'policy "hunan-2025": limits.V: unknown; must be one of default, I, II, III, IV',
            f'policy "hunan-2025": limits.default: is missing; {RULE}',
            f'policy "hunan-2025": escalate_after_workdays: 0 is out of range; {STEPS}',
            f'policy "hunan-2025": escalate_after_workdays: "x" is text; {STEPS}',
            f'policy "hunan-2025": effective_from: is missing; {DAY}',
            "policy 2: id: is missing; must be 1 to 63 of a-z, 0-9 and -, not beginning with -",
            "policy 2: effective_to 2025-01-31 lies before effective_from 2025-02-01",
            f"policy 2: escalate_after_workdays: [4, 2] does not rise; {STEPS}",
        ] == list(told)

    def test_message_has_a_line_for_each(self) -> None:
        """The message is the problems, one a line."""
        with pytest.raises(PolicyFileError) as refused:
            parse_policies(without("id").replace("limits", "limit"))

        assert list(refused.value.problems) == str(refused.value).splitlines()
        assert 3 == len(refused.value.problems)

    def test_overlap_waits_for_the_policies(self) -> None:
        """Whether policies overlap is asked when each of them is right."""
        overlapping = MINIMAL.replace("2025-01-01", "2024-12-31")

        with pytest.raises(PolicyFileError) as refused:
            policy_book(config(overlapping.replace("default = 5", "default = 0")))

        assert [f'policy "minimal": limits.default: 0 is out of range; {RULE}'] == list(
            refused.value.problems
        )

    def test_too_many_policies(self) -> None:
        """Of more policies than any authority has only their number is told."""
        assert ("[[policy]]: is given 1001 times; must be at most 1000 tables",) == problems(
            "[[policy]]\n" * 1001
        )


SYNTAX = {
    "bracket": ("[[policy", "(at line 1, column 9, the end)"),
    "second line": ("a = 1\nb = = 2", "(at line 2, column 5)"),
    "end of the second line": ("a = 1\nb = [", "(at line 2, column 6, the end)"),
    "no such day": ("a = 2025-02-30", "(at line 1, column 5)"),
    "too many digits": (f"a = {'1' * 5000}", "a number has too many digits"),
    "too deep": (f"a = {'[' * 5000}", "too deep"),
}


@pytest.mark.parametrize(("text", "place"), SYNTAX.values(), ids=list(SYNTAX))
def test_syntax_error_has_its_place(text: str, place: str) -> None:
    """What is not TOML is told with line and column, where there is one."""
    (told,) = problems(text)

    assert told.startswith("not TOML: ")
    assert told.endswith(place)


names = st.text() | st.sampled_from(
    ["id", "title", "effective_from", "effective_to", "limits", "targets", "counting",
     "suspensions", "escalate_after_workdays", "stop_at", "default", "all", "start_day", "other"]
)  # fmt: skip
decoded = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
    | st.datetimes() | st.times() | st.sampled_from(["run", "paid", "I", "2025-01-01", 3, 366]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


class TestNothingElseIsRaised:
    @given(st.text() | st.text(alphabet="[]{}=\"'.,#\n 0123policyd-:T"))
    def test_any_text(self, text: str) -> None:
        """Whatever a text holds, it is policies or a PolicyFileError."""
        with suppress(PolicyFileError):
            parse_policies(text)

    @given(st.dictionaries(st.just("policy") | st.text(), decoded), decoded)
    def test_any_decoded_table(self, told: dict[str, Any], policy: Any) -> None:  # noqa: ANN401
        """Whatever a decoded file holds, it is policies or a PolicyFileError."""
        for tables in (told, {"policy": policy}, {"policy": [policy]}):
            with suppress(PolicyFileError):
                policy_book(tables)

    @given(made_up_policies(), names, decoded)
    def test_any_value_in_a_right_policy(self, policy: Policy, name: str, value: object) -> None:
        """A right policy with any one field made anything is right or told by its field."""
        (block,) = config(policy_toml(policy))["policy"]
        told = ""
        try:
            convert_policies({"policy": [block | {name: value}]})
        except PolicyFileError as error:
            told = str(error)

        assert [] == [line for line in told.splitlines() if not line.startswith("policy ")]


class TestPolicyToml:
    @settings(max_examples=300)
    @given(made_up_policies())
    def test_reads_back_equal(self, policy: Policy) -> None:
        """What is written of any policy is read as the same policy, alone and among others."""
        other = replace(policy, id="another")
        text = policy_toml(policy)

        assert (policy,) == parse_policies(text)
        assert (other, policy) == parse_policies(policy_toml(other) + text) or policy.id == other.id

    def test_as_documented(self) -> None:
        """The packaged policy is written as its file has it, but for the comments."""
        file = resources.files("rebate_monitor") / "policies" / "hunan-2023-46.toml"
        lines = file.read_text("utf-8").splitlines()

        written = policy_toml(*packaged_policies())

        assert [
            line.split("  #")[0] for line in lines if not line.startswith("#")
        ] == written.splitlines()

    def test_what_is_not_told_is_not_written(self) -> None:
        """A policy without a last day, words in English and targets has no line for them."""
        (policy,) = parse_policies(MINIMAL)

        fields = config(policy_toml(policy))["policy"][0].keys()

        assert fields.isdisjoint({"effective_to", "title_en", "citation", "citation_en", "targets"})


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

        with pytest.raises(PolicyFileError, match='"minimal" begins 2024-12-31') as raised:
            policy_book(config(text))

        assert '"hunan-2023-46" is in force until 2024-12-31; end the earlier' in str(raised.value)
        assert "`rebate-monitor policy retire hunan-2023-46 --on 2024-12-30`" in str(raised.value)

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

    def test_read_with_a_byte_order_mark(self, tmp_path: Path) -> None:
        """A file that an editor began with a byte order mark is read as without."""
        file = tmp_path / "config.toml"
        file.write_text(MINIMAL.lstrip(), "utf-8-sig")

        assert config(MINIMAL) == read_config(file)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"[[policy", "not TOML: "),
            (
                "title = '政策'".encode("gb18030"),
                "byte 10 is not UTF-8; must be a text file in UTF-8",
            ),
            (b"[[ofice]]", "ofice: unknown table; did you mean office?"),
            (
                b"[x]",
                "x: unknown; must be one of alerts, channel, city, office, policy, proxy, ",
            ),
        ],
        ids=["not TOML", "not UTF-8", "misspelt table", "no such table"],
    )
    def test_what_is_wrong_names_the_file(
        self, tmp_path: Path, content: bytes, problem: str
    ) -> None:
        """A file that is no TOML, not in UTF-8 or of other tables is refused by its name."""
        file = tmp_path / "config.toml"
        file.write_bytes(content)

        with pytest.raises(PolicyFileError) as refused:
            read_config(file)

        assert str(refused.value).startswith(f"{file}: {problem}")

    def test_every_unknown_table(self, tmp_path: Path) -> None:
        """All unknown tables are told at once, in the order of the file."""
        file = tmp_path / "config.toml"
        file.write_text("[policys]\n[x]\n[alerts]\n", "utf-8")

        with pytest.raises(PolicyFileError) as refused:
            read_config(file)

        assert [f"{file}: policys: unknown table", f"{file}: x: unknown"] == [
            problem.split(";")[0] for problem in refused.value.problems
        ]

    def test_bad_policies_name_the_file(self, tmp_path: Path) -> None:
        """What is wrong with the policies of REBATE_CONFIG has the file before each problem."""
        file = tmp_path / "config.toml"
        file.write_text(without("id").replace("limits", "limit"), "utf-8")

        with pytest.raises(PolicyFileError) as refused:
            rulebook(Settings(config=file))

        assert [f"{file}: policy 1: {field}" for field in ("limit", "id", "limits")] == [
            ": ".join(problem.split(": ")[:3]) for problem in refused.value.problems
        ]

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is refused by its name."""
        with pytest.raises(PolicyFileError, match=r"absent\.toml: cannot be read \(No such file"):
            read_config(tmp_path / "absent.toml")
