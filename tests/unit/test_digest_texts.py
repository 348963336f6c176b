"""What people read: in two languages, with the right plurals, and nobody's secret."""

import re
import string
from dataclasses import replace
from datetime import date, datetime

import pytest

from rebate_monitor.alerting.digest import Digest, Urgent
from rebate_monitor.alerting.texts import TEXTS, digest_link, render, render_trial
from rebate_monitor.catalogue import Catalogue, Count, Language, catalogue
from rebate_monitor.domain.alert import AlertKind
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.places import places

ZH, EN = Language.ZH, Language.EN
LINK = "https://rebate.example.gov.cn"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=SHANGHAI)
PLACES = places(
    {
        "office": [
            {"code": "14301000000", "name_zh": "长沙市税务局", "name_en": "Changsha Tax Bureau"}
        ]
    }
)
BREACHED = Digest(
    kind=AlertKind.BREACHED,
    level=1,
    city="430100",
    count=12,
    by_category={"unknown": 1, "II": 5, "I": 2, "IV": 4, "III": 0},
    urgent=(
        Urgent("14301000000", "II", date(2026, 11, 18), -3),
        Urgent("14301810000", None, date(2026, 11, 20), -1),
    ),
    first_at=datetime(2026, 11, 19, tzinfo=SHANGHAI),
    last_at=datetime(2026, 11, 23, tzinfo=SHANGHAI),
    open_total=31,
    acknowledged_total=4,
)
AT_RISK = replace(
    BREACHED,
    kind=AlertKind.AT_RISK,
    level=0,
    count=1,
    by_category={"I": 1},
    urgent=(Urgent("14301000000", "I", date(2026, 11, 24), 1),),
    first_at=BREACHED.last_at,
    open_total=1,
    acknowledged_total=0,
)
OVERDUE = replace(BREACHED, kind=AlertKind.OVERDUE, level=3, count=2)
CORRECTED = replace(BREACHED, kind=AlertKind.CORRECTED, open_total=0, acknowledged_total=0)


def message(digest: Digest, language: Language, link: str | None = LINK) -> list[str]:
    """Return title and lines."""
    title, lines = render(digest, language, PLACES, link, NOW)
    return [title, *lines]


def test_breached_in_chinese() -> None:
    """A breach is told with counts, the most urgent, what is open, what to do, and where."""
    assert [
        "【超时】长沙市：12 件退税已超办理时限",
        "触发时间：11月19日 00:00 至 11月23日 00:00（北京时间）",
        "按管理类别：一类 2、二类 5、四类 4、未定类 1",
        "最紧急的 2 件（共 12 件）：",
        "长沙市税务局 · 二类 · 应于11月18日办结 · 已超3个工作日",
        "14301810000 · 未定类 · 应于11月20日办结 · 已超1个工作日",
        "目前处于该级别的在办案件共 31 件，其中已认领 4 件",
        "下一步：请核实原因并尽快办结；已有人负责的请在系统中认领，认领后不再逐级督办。",
        f"查看：{LINK}/alerts?city=430100&kind=breached&level=1&state=open",
    ] == message(BREACHED, ZH)


def test_breached_in_english() -> None:
    """The same in English, with the numbers of its nouns."""
    assert [
        "Breached: 12 rebates in Changsha past the time limit",
        "From 19 November 00:00 to 23 November 00:00 (Beijing time)",
        "By category: I (2), II (5), IV (4), unknown (1)",
        "The 2 most urgent of 12:",
        "Changsha Tax Bureau · category II · due 18 November · 3 workdays over",
        "14301810000 · category unknown · due 20 November · 1 workday over",
        "Open cases at this level: 31, of which 4 acknowledged",
        "Next: find out why and finish soon. What somebody has acknowledged is not stepped up.",
        f"Open: {LINK}/alerts?city=430100&kind=breached&level=1&state=open",
    ] == message(BREACHED, EN)


@pytest.mark.parametrize(
    ("digest", "language", "title"),
    [
        (AT_RISK, ZH, "【预警】长沙市：1 件退税临近办理时限"),
        (AT_RISK, EN, "At risk: 1 rebate in Changsha close to the time limit"),
        (OVERDUE, ZH, "【超时第2步督办】长沙市：2 件退税超时后仍未办结"),
        (OVERDUE, EN, "Overdue, step 2: 2 rebates in Changsha still not finished"),
        (replace(OVERDUE, level=2), ZH, "【超时第1步督办】长沙市：2 件退税超时后仍未办结"),
        (CORRECTED, ZH, "【更正】长沙市：此前通知的 12 件超时已更正，不再计为超时"),
        (
            CORRECTED,
            EN,
            "Corrected: 12 rebates in Changsha no longer count as past the time limit",
        ),
        (
            replace(CORRECTED, count=1),
            EN,
            "Corrected: 1 rebate in Changsha no longer counts as past the time limit",
        ),
        (
            replace(CORRECTED, level=3),
            ZH,
            "【更正】长沙市：此前通知的 12 件第2步督办已更正，仍为超时但未到该步",
        ),
        (
            replace(CORRECTED, level=3),
            EN,
            "Corrected: 12 rebates in Changsha past the time limit, but not yet at step 2",
        ),
        (replace(BREACHED, city="440100"), ZH, "【超时】440100：12 件退税已超办理时限"),
        (replace(BREACHED, city=""), ZH, "【超时】地区不明：12 件退税已超办理时限"),
        (
            replace(BREACHED, city="", count=1),
            EN,
            "Breached: 1 rebate in an unknown city past the time limit",
        ),
    ],
)
def test_titles(digest: Digest, language: Language, title: str) -> None:
    """The title says what happened, where and to how many; a nameless city is its code."""
    assert title == message(digest, language)[0]


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (ZH, ["触发时间：11月23日 00:00（北京时间）", "按管理类别：一类 1", "明细："]),
        (EN, ["Since 23 November 00:00 (Beijing time)", "By category: I (1)", "In detail:"]),
    ],
)
def test_one_instant_and_all_cases(language: Language, lines: list[str]) -> None:
    """One instant is no range, and where every case is shown nothing is called most urgent."""
    assert lines == message(AT_RISK, language)[1:4]


@pytest.mark.parametrize(
    ("workdays", "zh", "en"),
    [
        (2, "还剩2个工作日", "2 workdays left"),
        (1, "还剩1个工作日", "1 workday left"),
        (0, "今日到期", "due today"),
        (-1, "已超1个工作日", "1 workday over"),
        (None, "计时已停", "clock stopped"),
    ],
)
def test_workdays_left(workdays: int | None, zh: str, en: str) -> None:
    """Workdays are told as left or over, with the right plural."""
    digest = replace(AT_RISK, urgent=(Urgent("14301000000", "I", None, workdays),))

    assert f"长沙市税务局 · 一类 · {zh}" == message(digest, ZH)[4]
    assert f"Changsha Tax Bureau · category I · {en}" == message(digest, EN)[4]


def test_due_date_of_another_year_has_its_year() -> None:
    """A due date of last year is told with the year."""
    digest = replace(AT_RISK, urgent=(Urgent("", "I", date(2025, 12, 31), -200),))

    assert "一类 · 应于2025年12月31日办结 · 已超200个工作日" == message(digest, ZH)[4]
    assert "category I · due 31 December 2025 · 200 workdays over" == message(digest, EN)[4]


def test_due_date_that_is_an_estimate_says_so() -> None:
    """A due date in a year whose days off are not published is no promise."""
    due = Urgent("", "I", date(2027, 1, 4), 1, provisional=True)
    digest = replace(AT_RISK, urgent=(due,))

    assert (
        "一类 · 应于2027年1月4日办结（放假安排未公布，为估算） · 还剩1个工作日"
        == message(digest, ZH)[4]
    )
    assert (
        "category I · due 4 January 2027 (an estimate: that year's days off are not published)"
        " · 1 workday left" == message(digest, EN)[4]
    )


def test_corrected_shows_examples_and_takes_the_notice_back() -> None:
    """A correction takes back what was told; it does not say that all is well."""
    zh, en = message(CORRECTED, ZH), message(CORRECTED, EN)

    assert ("其中：", "Among them:") == (zh[3], en[3])
    assert zh[6].startswith("此前的通知作废")
    assert en[6].startswith("The earlier notice no longer holds")
    assert {4, 5} == {place for place, line in enumerate(zh) if line.endswith("办结")}


def test_digest_without_urgent_cases_has_no_heading_for_them() -> None:
    """Where no case is shown there is no list."""
    lines = message(replace(BREACHED, urgent=()), ZH, link=None)[1:]

    assert ["触发时间", "按管理类别", "目前处于该级别的在办案件共", "下一步"] == [
        re.split("：| ", line)[0] for line in lines
    ]


def test_no_link_no_line() -> None:
    """Without a link in the configuration no line points anywhere."""
    assert message(BREACHED, ZH)[:-1] == message(BREACHED, ZH, link=None)
    assert digest_link(None, BREACHED) is None


@pytest.mark.parametrize(
    ("digest", "query"),
    [
        (BREACHED, "city=430100&kind=breached&level=1&state=open"),
        (OVERDUE, "city=430100&kind=overdue&level=3&state=open"),
        (CORRECTED, "city=430100&kind=corrected&level=1"),
        (replace(BREACHED, city=""), "kind=breached&level=1&state=open"),
        (replace(BREACHED, city="a&b=c d"), "city=a%26b%3Dc+d&kind=breached&level=1&state=open"),
    ],
)
def test_links(digest: Digest, query: str) -> None:
    """A link shows the open alerts of the digest; a correction is never open."""
    assert f"{LINK}/alerts?{query}" == digest_link(LINK, digest)


@pytest.mark.parametrize(
    ("language", "title", "line"),
    [
        (
            ZH,
            "【测试】出口退税时限监测通道测试",
            "这是发往通道 people 的测试消息，发送时间 11月23日 09:00（北京时间）。",
        ),
        (
            EN,
            "Trial: export tax rebate monitor",
            "This is a trial message to channel people, sent 23 November 09:00 (Beijing time).",
        ),
    ],
)
def test_trial(language: Language, title: str, line: str) -> None:
    """A trial says that it is one and that nothing is to be done."""
    trial = render_trial("people", language, NOW)

    assert (title, line, 2) == (trial.title, trial.lines[0], len(trial.lines))
    assert re.search("无需处理|nothing to do", trial.lines[1])


def fields_of(phrase: str) -> set[str]:
    """Return the placeholders of a phrase."""
    return {field for _, field, _, _ in string.Formatter().parse(phrase) if field}


def test_catalogues_have_the_same_keys_and_placeholders() -> None:
    """Whatever one language says the other says with the same values."""
    zh, en = catalogue(TEXTS, ZH), catalogue(TEXTS, EN)

    assert zh.phrases.keys() == en.phrases.keys()
    assert {key: fields_of(phrase) for key, phrase in zh.phrases.items()} == {
        key: fields_of(phrase) for key, phrase in en.phrases.items()
    }
    assert (12, 12) == (len(set(zh.months)), len(set(en.months)))


@pytest.mark.parametrize("section", ["title", "next"])
def test_every_kind_has_its_phrases(section: str) -> None:
    """A kind of alert without a title or a next step cannot be added."""
    phrases = catalogue(TEXTS, ZH).phrases
    keys = {key.split(".")[1] for key in phrases if key.startswith(f"{section}.")}

    assert set(AlertKind) == keys - {"corrected_step"}


def test_placeholders_tell_of_nobody() -> None:
    """No phrase has a place for a case, a taxpayer or an amount."""
    told = set().union(*map(fields_of, catalogue(TEXTS, ZH).phrases.values()))

    assert {
        "acknowledged", "categories", "category", "channel", "city", "count", "day", "days", "due",
        "first", "last", "link", "month", "open", "sent", "shown", "step", "year",
    } == told  # fmt: skip


@pytest.mark.parametrize(("number", "expected"), [(0, "many"), (1, "one"), (2, "many")])
def test_count_chooses_words(number: int, expected: str) -> None:
    """One has a form of its own; a plain placeholder shows the number."""
    assert f"{number} {expected}" == f"{Count(number)} {Count(number):one|many}"


def test_braces_in_a_name_are_not_placeholders() -> None:
    """A name from the configuration is text, whatever it contains."""
    words = Catalogue(phrases={"title": "{city}"}, months=())

    assert "{count} {0} {city.x}" == words.say("title", city="{count} {0} {city.x}")
