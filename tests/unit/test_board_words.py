"""What pages say: in both languages, and in numbers that mean the same."""

import string
from datetime import UTC, date, datetime, timedelta

import pytest

from rebate_monitor.board.address import is_local
from rebate_monitor.board.remembered import Remembered
from rebate_monitor.board.sparkline import sparkline
from rebate_monitor.board.words import Words
from rebate_monitor.catalogue import Language, catalogue
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.assessment import STAGE_NAMES, Verdict
from rebate_monitor.domain.case import Status
from rebate_monitor.domain.event import Category, EventType, RebateType
from rebate_monitor.domain.explanation import Because
from rebate_monitor.domain.policy import Scope
from rebate_monitor.places import places

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # 10:00 in Asia/Shanghai


def words(language: Language = Language.EN) -> Words:
    return Words(language=language, places=places(), now=NOW)


def test_both_languages_say_the_same_things() -> None:
    """Keys are the same, and so are the placeholders of each phrase, those of dates aside."""
    chinese, english = (
        {
            key: {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            for key, text in catalogue("board", language).phrases.items()
            if key != "date"
        }
        for language in Language
    )

    assert chinese == english


@pytest.mark.parametrize("language", Language)
def test_everything_has_a_name(language: Language) -> None:
    """Whatever the domain can say has its phrase."""
    phrases = catalogue("board", language).phrases
    wanted = [
        *(f"verdict.{verdict}" for verdict in Verdict),
        *(f"status.{status}" for status in Status),
        *(f"category.{category}" for category in (*Category, "unknown")),
        *(f"rebate_type.{kind}" for kind in RebateType),
        *(f"event.{kind}" for kind in EventType),
        *(f"stage.{stage}" for stage in STAGE_NAMES.values()),
        *(f"day.{because}" for because in Because),
        *(f"alert.{kind}" for kind in AlertKind),
        *(f"scope.{scope}" for scope in Scope),
    ]

    assert [] == [key for key in wanted if key not in phrases]


@pytest.mark.parametrize(
    ("workdays", "told"),
    [(0.414, "+0.41"), (-0.23, "−0.23"), (0.001, "0.00"), (-0.004, "0.00"), (None, "–")],
)
def test_a_change_has_a_sign_only_where_there_is_one(workdays: float | None, told: str) -> None:
    """What rounds to nothing is neither better nor worse."""
    assert told == words().change(workdays)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (172800, "2 days ago"),
    ],
)
def test_how_long_ago(seconds: int, told: str) -> None:
    """In the largest unit that is full."""
    assert told == words().ago(NOW - timedelta(seconds=seconds))


def test_days_and_places_in_both_languages() -> None:
    """This year goes without saying; a place without a name is called by its code."""
    english, chinese = words(), words(Language.ZH)

    assert ("23 Nov", "31 Dec 2025") == (
        english.day(date(2026, 11, 23)),
        english.day(date(2025, 12, 31)),
    )
    assert "11月23日 10:00" == chinese.instant(NOW)
    assert ("Changsha", "长沙市", "999900") == (
        english.city("430100"),
        chinese.city("430100"),
        english.city("999900"),
    )
    assert ("never yet", "unknown office") == (english.ago(None), english.office(None))
    assert ("due today", "1 workday left", "2 workdays over") == tuple(
        map(english.left, (0, 1, -2))
    )


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/", True),
        ("/cases?verdict=breached", True),
        ("//elsewhere.example", False),
        ("/\\elsewhere.example", False),
        ("https://elsewhere.example", False),
        ("/cases\r\nSet-Cookie: a=b", False),
        ("", False),
    ],
)
def test_nobody_is_led_elsewhere(path: str, is_ours: bool) -> None:  # noqa: FBT001 - an expectation
    """Where somebody goes after signing in is a page of this service."""
    assert is_ours is is_local(path)


def test_a_small_line_has_gaps_and_an_end() -> None:
    """Each stretch is a line; the last month has a dot, and a month between gaps has one, too."""
    drawn = str(sparkline([None, 2.0, 3.0, None, 4.0], 4.0, 5.0, 'a "title" <b>'))

    assert 2 == drawn.count("<polyline")
    assert 1 == drawn.count("<circle")
    assert 'class="goal"' in drawn
    assert "&lt;b&gt;" in drawn


async def test_what_was_read_serves_for_some_seconds() -> None:
    """Then it is read anew; what failed is not kept."""
    moment = [0.0]
    answers: list[int | ValueError] = [ValueError("away"), 1, 2]

    async def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    remembered = Remembered(read, 5.0, lambda: moment[0])
    with pytest.raises(ValueError, match="away"):
        await remembered.get()
    first, moment[0] = await remembered.get(), 4.9
    second, moment[0] = await remembered.get(), 5.0

    assert (1, 1, 2) == (first, second, await remembered.get())
