"""What a version of the rules changed, and which version is behind a change."""

from dataclasses import replace

from domain_builders import HUNAN, instant, policies, published_calendar, year_notice
from rebate_monitor.domain.known_then import BroughtBy, KnownRules, RulesPart
from rebate_monitor.domain.policy import Policy, PolicyBook
from rebate_monitor.domain.rule_turns import RulesTurn, turn_behind, turn_numbered
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.domain.work_calendar import WorkCalendar, YearNotice

FIRST = Rulebook(policies=policies(), calendar=published_calendar())
STRICTER = replace(HUNAN, default_limit=3)
NEXT = replace(HUNAN, id="hunan-2025", effective_from=instant("2025-01-01").date())
AMENDED = year_notice(2024, off=["2024-01-01"], title="an amendment")
RETITLED = replace(AMENDED, notice="the same, retitled")


def with_year(notice: YearNotice) -> WorkCalendar:
    return WorkCalendar({**published_calendar().notices, notice.year: notice}.values())


def version(
    number: int, book: PolicyBook, calendar: WorkCalendar, because: str = "apply"
) -> KnownRules:
    return KnownRules(
        known_since=instant(f"2024-{number:02}-01"),
        rulebook=Rulebook(policies=book, calendar=calendar),
        number=number,
        brought=BroughtBy(because=because, by="李红"),
    )


def book(*told: Policy) -> PolicyBook:
    return PolicyBook(told)


KNOWN = [
    version(1, book(HUNAN), published_calendar(), "start"),
    version(2, book(HUNAN), with_year(AMENDED), "import"),
    version(3, book(STRICTER, NEXT), with_year(RETITLED)),
    version(4, book(STRICTER), with_year(RETITLED), "withdraw"),
]


def named(turn: RulesTurn | None) -> tuple[int, list[tuple[str, int]], list[tuple[int, int]]]:
    """Return a turn as its number, and the policies and years with their versions."""
    assert turn is not None
    return (
        turn.number,
        [(name, part.number) for name, part in turn.policies.items()],
        [(year, part.number) for year, part in turn.years.items()],
    )


def test_a_turn_names_what_it_changed() -> None:
    """Every policy and year that is not as it was, each by its own version, and nothing else."""
    assert [
        (1, [], []),
        (2, [], [(2024, 2)]),
        (3, [("hunan-2023-46", 2), ("hunan-2025", 1)], [(2024, 3)]),
        (4, [("hunan-2025", 2)], []),
    ] == [named(turn_numbered(KNOWN, number)) for number in (1, 2, 3, 4)]
    assert turn_numbered(KNOWN, 5) is None


def test_a_turn_says_who_brought_it() -> None:
    """A withdrawn policy has a version without a part; who and when stand beside it."""
    turn = turn_numbered(KNOWN, 4)

    assert turn is not None
    assert ("withdraw", "李红", instant("2024-04-01")) == (
        turn.brought.because,
        turn.brought.by,
        turn.known_since,
    )
    assert turn.policies["hunan-2025"].part is None


def test_the_turn_behind_a_change() -> None:
    """The last version up to a number that changed the policies, or which days are worked."""
    for part, through, number in (
        (RulesPart.POLICY, 4, 4),
        (RulesPart.POLICY, 3, 3),
        (RulesPart.CALENDAR, 4, 2),  # another title moves no day
        (RulesPart.CALENDAR, None, 2),
    ):
        assert (part, number) == (part, named(turn_behind(KNOWN, part, through=through))[0])
    assert turn_behind(KNOWN, RulesPart.POLICY, through=2) is None


def test_the_turn_that_brought_a_version() -> None:
    """A version of a policy is looked for first; one that nobody brought since is not."""
    for brought, number in ((STRICTER.version, 3), (HUNAN.version, 4), (None, 4)):
        turn = turn_behind(KNOWN, RulesPart.POLICY, version=brought)
        assert (brought, number) == (brought, named(turn)[0])


def test_only_later_turns_count() -> None:
    """What was known at the moment that is compared with is not what changed since."""
    for after, number in (("2024-01-31", 2), ("2024-02-01", None)):
        turn = turn_behind(KNOWN, RulesPart.CALENDAR, after=instant(after))
        assert (after, number) == (after, turn and turn.number)
