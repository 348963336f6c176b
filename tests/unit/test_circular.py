"""A circular as it is written: the same in each format, in two languages, and safe to open."""

import csv
import io
import re
import string
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import openpyxl
import pytest
from openpyxl.cell.cell import Cell as ExcelCell
from openpyxl.worksheet.worksheet import Worksheet

from domain_builders import HUNAN
from made_up_month import NOW, ZHUZHOU, Province, ended_as, made, still_open
from rebate_monitor.catalogue import Catalogue, Language, catalogue
from rebate_monitor.circular.compose import Wanted, compose
from rebate_monitor.circular.csv_file import FIELDS, csv_file, harmless
from rebate_monitor.circular.document import Cell, Document, Kind
from rebate_monitor.circular.facts import STAGES, Closed, Facts
from rebate_monitor.circular.figures import FIGURES
from rebate_monitor.circular.grouping import CATEGORIES, REBATE_TYPES
from rebate_monitor.circular.html import html_file
from rebate_monitor.circular.provinces import PROVINCES, province_of
from rebate_monitor.circular.sections import Section
from rebate_monitor.circular.wording import FOLDER, enough_decimals, number, wording
from rebate_monitor.circular.xlsx import xlsx_file
from rebate_monitor.domain.case import Anomaly, Status
from rebate_monitor.domain.evaluation import Quality
from rebate_monitor.domain.event import SuspensionReason
from rebate_monitor.domain.periods import month_of
from rebate_monitor.domain.policy import AfterExpiry, PolicyBook, Scope, StopAt
from rebate_monitor.places import Places, places
from rebate_monitor.svg import shortened, stretches, ticks

ZH, EN = Language.ZH, Language.EN
HOSTILE = '=HYPERLINK("//evil.example","<script>alert(1)</script>")&'
PLACES = places({"city": [{"code": "430200", "name_zh": HOSTILE, "name_en": HOSTILE}]})
CASES = [
    *(made(days) for days in (0, 0, 0, 2, 3, 3, 3, 3, 4, 4, 4, 9, 9, 15)),
    *(made(days, category="I", office=ZHUZHOU) for days in (1, 1, 1, 2, 3, 3, 3, 3, 3, 5, 5, 5)),
    *(made(3, office="14303000000") for _ in range(2)),
    *(still_open(days) for days in (1, 2, 8, 20)),
    *(made(4, date(2026, 9, 20)) for _ in range(5)),
    *(ended_as(Status.REJECTED) for _ in range(3)),
    *(ended_as(Status.STOPPED) for _ in range(4)),
]


def facts(**told: object) -> Facts:
    return replace(Province(cases=CASES, places=PLACES).facts(), **told)  # type: ignore[arg-type]


def document(
    language: Language = ZH,
    told: Facts | None = None,
    *,
    internal: bool = False,
    min_cases: int = 10,
) -> Document:
    wanted = Wanted(language=language, internal=internal, min_cases=min_cases)
    return compose(told or facts(), PLACES, wanted)


def as_html(told: Document, known: Places = PLACES) -> str:
    return html_file(told, wording(told.language, known)).decode()


def as_rows(told: Document) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_file(told).decode("utf-8-sig"))))


def as_xlsx(told: Document) -> io.BytesIO:
    return io.BytesIO(xlsx_file(told, wording(told.language, PLACES), NOW))


def as_workbook(told: Document) -> openpyxl.Workbook:
    return openpyxl.load_workbook(as_xlsx(told))


def charts_in(told: Document) -> int:
    names = zipfile.ZipFile(as_xlsx(told)).namelist()
    return len([name for name in names if name.startswith("xl/charts/chart")])


# Words.


def placeholders(words: Catalogue) -> dict[str, set[str | None]]:
    return {
        key: {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        for key, text in words.phrases.items()
    }


def test_both_languages_say_the_same_things() -> None:
    """Keys are the same, and so are the placeholders of each phrase, the months' aside."""
    chinese, english = (placeholders(catalogue(FOLDER, language)) for language in (ZH, EN))

    assert chinese == english


@pytest.mark.parametrize("language", Language)
def test_everything_has_a_name(language: Language) -> None:
    """Each figure, group, stage, reason, anomaly and section has its phrase."""
    phrases = catalogue(FOLDER, language).phrases
    wanted = [
        *(f"figure.{name}" for name in FIGURES),
        *(f"{part}.{section}" for section in Section for part in ("section", "stub")),
        *(f"category.{code}" for code in CATEGORIES),
        *(f"rebate_type.{code}" for code in REBATE_TYPES),
        *(f"stage.{stage}" for stage in STAGES),
        *(f"reason.{reason}" for reason in SuspensionReason),
        *(f"anomaly.{anomaly}" for anomaly in Anomaly),
        *(f"scope.{scope}" for scope in Scope),
        *(f"stop.{stop}" for stop in StopAt),
    ]

    assert [] == [key for key in wanted if key not in phrases]


@pytest.mark.parametrize(
    ("value", "kind", "decimals", "text"),
    [
        (1468, Kind.COUNT, 2, "1,468"),
        (3.615, Kind.WORKDAYS, 2, "3.62"),
        (12.215, Kind.WORKDAYS, 2, "12.22"),  # a half goes up, as Excel shows it
        (4, Kind.WORKDAYS, 0, "4"),
        (-0.125, Kind.CHANGE, 2, "\N{MINUS SIGN}0.13"),
        (0.5, Kind.CHANGE, 2, "+0.50"),
        (-0.004, Kind.CHANGE, 2, "0.00"),
        (0.9999, Kind.RATE, 2, "99.99%"),
        (1.0, Kind.RATE, 2, "100.00%"),
        (0.99996, Kind.RATE, 3, "99.996%"),
    ],
)
def test_numbers(value: float, kind: Kind, decimals: int, text: str) -> None:
    """Means have two decimals, changes a sign, rates are percent."""
    assert text == number(value, kind, decimals)


@pytest.mark.parametrize(
    ("value", "mark", "decimals"),
    [(3.62, 4.0, 2), (4.0, 4.0, 2), (4.001, 4.0, 3), (3.999999, 4.0, 6), (None, 4.0, 2)],
)
def test_a_mean_just_beside_its_target_is_written_so(
    value: float | None, mark: float, decimals: int
) -> None:
    """As many decimals as it takes to see on which side it lies."""
    assert decimals == enough_decimals(value, mark)


def sentences(told: Document) -> str:
    return "\n".join(told.overview)


def status(told: Document) -> dict[str, str]:
    return {fact.key: fact.text for fact in told.status}


def test_the_overview_in_chinese() -> None:
    """The month in sentences, with the figures that the tables have."""
    assert (
        "2026年10月，全省办结正常出口退税28件，平均办理时限3.57个工作日，未超过4个工作日的目标。"
        "其中一、二类企业12件，平均办理时限2.92个工作日，未超过3个工作日的目标。"
        "平均办理时限比上月缩短0.43个工作日。限时办结率78.57%，即报即办率10.71%。\n"
        "截至2026年11月23日 10:00，在办的正常退税4件，平均已用7.75个工作日；"
        "若全部于当日办结，平均办理时限为4.09个工作日。"
        "另有不计入平均办理时限的：因暂缓原因不计入的4件、不予退税3件。"
    ) == sentences(document())


def test_the_overview_in_english() -> None:
    """The same in the other language."""
    assert (
        "In October 2026, 28 normal export tax rebates were finished in Hunan; the mean processing "
        "time was 3.57 workdays, within the target of 4. Of these 12 were of enterprises of "
        "categories I and II, with a mean of 2.92 workdays, within the target of 3. "
        "The mean is 0.43 workdays below that of last month. "
        "78.57% were finished within their limit, 10.71% on the day of acceptance.\n"
        "On 23 November 2026 10:00, 4 normal rebates were open, after 7.75 workdays on average; "
        "had all ended that day, the mean would be 4.09 workdays. "
        "Not in the mean: 4 suspended for a reason that excludes, 3 rejected."
    ) == sentences(document(EN))


def test_the_ranking_in_a_sentence() -> None:
    """With everything shown the sentence about the cities names the first and the last."""
    told = sentences(document(internal=True))

    assert "参加排名的2个市州中，平均办理时限未超过4个工作日的有1个；" in told
    assert "最长的是长沙市（4.21个工作日）" in told


def test_status_says_what_the_figures_rest_on() -> None:
    """As of when, by which policy and calendar, and how many cases."""
    told = status(document())

    assert "2026年11月23日 10:00（北京时间），在办数据为该时刻数据" == told["as_of"]
    assert "本月尚未关账，数据仍可能变化" == told["closing"]
    assert "已于2024年12月31日到期，尚无接续文件" in told["policy"]
    assert "2026年10月停表的正常退税28件" == told["cases"]


@pytest.mark.parametrize(
    ("differs", "text"),
    [
        (False, "已于2026年11月2日 09:30关账，关账后数据没有变化"),
        (True, "已于2026年11月2日 09:30关账，关账后收到更正，本通报为更正后数据"),
    ],
)
def test_a_closed_month_says_so(*, differs: bool, text: str) -> None:
    """A frozen month says when it was closed and whether anything has changed since."""
    closed = Closed(closed_at=datetime(2026, 11, 2, 1, 30, tzinfo=UTC), differs=differs)

    assert text == status(document(told=facts(closed=closed)))["closing"]


UNFINISHED = (
    "The month has not ended: these are the figures up to 23 October 2026, not those of the whole "
    "month."
)


def test_what_must_not_be_overlooked() -> None:
    """An unfinished month, an estimated calendar and an internal report warn in the report."""
    now = datetime(2026, 10, 23, 2, 0, tzinfo=UTC)
    told = document(EN, facts(as_of=now, provisional=True), internal=True)

    assert [
        "Internal: small groups are not protected. Do not pass on.",
        UNFINISHED,
        "Some workdays of this month are estimates.",
    ] == list(told.warnings)
    assert "estimated" in status(told)["calendar"]
    assert () == document(EN).warnings


def test_the_last_minute_of_a_month() -> None:
    """A month is unfinished up to its last minute in Asia/Shanghai, and not a minute longer."""
    for minute, warnings in (
        (datetime(2026, 10, 31, 15, 59, tzinfo=UTC), 1),
        (
            datetime(2026, 10, 31, 16, 0, tzinfo=UTC),
            0,
        ),
    ):
        assert (minute, warnings) == (minute, len(document(told=facts(as_of=minute)).warnings))


def test_a_month_before_any_policy() -> None:
    """There is no target to meet and no limit to keep, and the report says so."""
    month = month_of(date(2023, 9, 1))
    cases = [made(3, date(2023, 9, 20), in_time=None) for _ in range(12)]
    province = Province(cases=cases, month=month)
    told = compose(province.facts(), province.places, Wanted(language=ZH))

    assert "本月没有适用的政策，只列天数，不作评价" == status(told)["policy"]
    assert "平均办理时限3.00个工作日（当月没有适用的目标）" in sentences(told)
    assert "限时" not in sentences(told)
    assert "—" in as_html(told)


def test_a_policy_in_force() -> None:
    """A policy that has not ended is cited without a word about its end."""
    lasting = replace(HUNAN, effective_to=None, title_en="Doc. 46", citation_en="within 4")
    province = Province(cases=CASES, policies=PolicyBook([lasting]))
    told = compose(province.facts(), province.places, Wanted(language=EN))

    assert "Doc. 46: within 4" == status(told)["policy"]


def test_a_policy_that_is_not_carried_over() -> None:
    """After such a policy has ended nothing is measured by it."""
    ended = replace(HUNAN, after_expiry=AfterExpiry.NONE)
    province = Province(cases=CASES, policies=PolicyBook([ended]))
    told = compose(province.facts(), province.places, Wanted(language=EN))

    assert "this month has no target" in status(told)["policy"]
    assert "no target was in force" in sentences(told)


@pytest.mark.parametrize("language", Language)
def test_a_month_without_cases(language: Language) -> None:
    """An empty database gives a whole report in every format, with nothing in it."""
    told = compose(Province(cases=[]).facts(), PLACES, Wanted(language=language))

    assert 1 == len(told.overview)
    assert "<svg" not in as_html(told)
    assert 0 == charts_in(told)
    assert {"0"} == {row["value"] for row in as_rows(told) if row["figure"] == "n"}


def test_the_province_is_that_of_most_cases() -> None:
    """The title names the province of the cases, and its cities are listed."""
    cases = [*CASES, *(made(3, office="14401000000") for _ in range(99))]
    cases += [made(3, office="19901000000") for _ in range(999)]  # a code of no province
    province = Province(cases=cases)
    told = compose(province.facts(), province.places, Wanted(language=ZH))

    assert "广东省出口退税办理时限情况通报" == told.title
    assert "全省" in sentences(told)
    assert "43" == province_of([])
    assert 31 == len(PROVINCES)


# HTML.


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


PAGES = [(language, internal) for language in Language for internal in (False, True)]


@pytest.mark.parametrize(("language", "internal"), PAGES)
def test_a_page_asks_for_nothing(language: Language, *, internal: bool) -> None:
    """No address, script, picture or font of elsewhere; and the page itself forbids them."""
    text = as_html(document(language, internal=internal))
    page = Page(text)

    assert set() == {tag for tag, _ in page.tags} & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "a",
    }
    assert [] == [a for _, told in page.tags for a in told if a in ("src", "href", "style")]
    assert [] == re.findall(r"url\(|@import|https?:", text)
    assert "default-src 'none'; style-src 'unsafe-inline'" in [
        meta.get("content") for meta in page.named("meta")
    ]
    assert [] == page.open


@pytest.mark.parametrize(("language", "internal"), PAGES)
def test_a_page_is_accessible(language: Language, *, internal: bool) -> None:
    """It says its language, each table has a caption and heads, each chart a name."""
    told = document(language, internal=internal)
    page = Page(as_html(told))
    tables = [table for table in told.tables if table.rows]

    assert [{"lang": {"zh": "zh-CN", "en": "en"}[language]}] == page.named("html")
    assert [t.title for t in tables] == [text for tag, text in page.texts if tag == "caption"]
    assert {"col", "row"} == {th.get("scope") for th in page.named("th")}
    assert sum(len(t.rows) for t in tables) == [th.get("scope") for th in page.named("th")].count(
        "row"
    )
    assert 4 == len(page.named("svg"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.named("svg"))


@pytest.mark.parametrize("language", Language)
def test_names_from_outside_are_text(language: Language) -> None:
    """A city whose name is a formula with a script in it is shown by just that name."""
    texts = [text for tag, text in Page(as_html(document(language))).texts if tag == "th"]

    assert HOSTILE in texts


@pytest.mark.parametrize("language", Language)
def test_no_phrase_is_left_unfilled(language: Language) -> None:
    """No key and no placeholder is shown to a reader."""
    shown = "\n".join(
        text
        for tag, text in Page(as_html(document(language, internal=True))).texts
        if tag != "style"
    )

    assert [] == re.findall(r"\{\w*\}|\b(?:figure|note|stub|section)\.\w+", shown)


# CSV.


def figures(rows: list[dict[str, str]]) -> dict[tuple[str, ...], str]:
    return {
        (row["section"], row["group"], row["scope"], row["figure"]): row["value"]
        for row in rows
        if row["section"] != "report"
    }


def test_the_csv_is_tidy() -> None:
    """One row a figure, each once, with a mark that Excel needs, and stable names."""
    content = csv_file(document())
    rows = as_rows(document())
    told = figures(rows)

    assert content.startswith(
        b"\xef\xbb\xbfsection,group,scope,figure,value,suppressed,name,label\r\n"
    )
    assert len(told) == len([row for row in rows if row["section"] != "report"])
    assert "28" == told["means", "all", "all", "n"]
    assert "3.571429" == told["means", "all", "all", "mean_workdays"]
    assert "true" == told["means", "all", "category_1_2", "meets_target"]
    assert "4.214286" == told["cities", "430100", "all", "mean_workdays"]
    assert set(FIELDS) == set(rows[0])


def test_hidden_figures_have_no_value() -> None:
    """What is suppressed is marked, and only that."""
    rows = as_rows(document())
    hidden = [row for row in rows if row["suppressed"] == "true"]

    assert {"430300"} <= {row["group"] for row in hidden}
    assert {""} == {row["value"] for row in hidden}
    assert [] == [r for r in as_rows(document(internal=True)) if r["suppressed"] == "true"]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_is_taken_for_a_formula(sign: str) -> None:
    """A text that a spreadsheet would calculate gets a mark before it; a number does not."""
    assert f"'{sign}cmd|' /C calc'!A0" == harmless(f"{sign}cmd|' /C calc'!A0")
    assert ["-0.43", "+1", "12", "长沙市"] == [*map(harmless, ["-0.43", "+1", "12", "长沙市"])]


def test_names_in_the_csv_are_harmless() -> None:
    """Neither a city's name nor a source of events is a formula."""
    sources = (Quality(Anomaly.AFTER_END, "@SUM(A1)", 3), Quality(Anomaly.AFTER_END, None, 1))
    rows = as_rows(document(told=facts(data_quality=sources), internal=True))
    texts = [cell for row in rows for cell in row.values()]

    assert f"'{HOSTILE}" in texts
    assert "'@SUM(A1)" in texts
    assert [] == [text for text in texts if text.startswith(("=", "@"))]


# Excel.


def sheet_of(book: openpyxl.Workbook, title: str) -> Worksheet:
    sheet = book[title]
    assert isinstance(sheet, Worksheet)
    return sheet


def cells(sheet: Worksheet) -> Iterator[ExcelCell]:
    for row in sheet.iter_rows():
        yield from (cell for cell in row if isinstance(cell, ExcelCell))


@pytest.mark.parametrize(("language", "internal"), PAGES)
def test_the_workbook_has_a_sheet_a_table(language: Language, *, internal: bool) -> None:
    """Summary first, then the tables in order, with frozen heads that are printed on every page."""
    told = document(language, internal=internal)
    book = as_workbook(told)
    titles = [table.title for table in told.tables]

    assert [
        told.labels["sheet.summary"],
        *titles,
        told.labels["sheet.definitions"],
        told.labels["sheet.chart_data"],
    ] == book.sheetnames
    for title in titles:
        sheet = sheet_of(book, title)
        assert ("B4", "$3:$3") == (sheet.freeze_panes, sheet.print_title_rows)
        assert (9, "landscape") == (sheet.page_setup.paperSize, sheet.page_setup.orientation)
        setup = sheet.sheet_properties.pageSetUpPr
        assert setup is not None
        assert setup.fitToPage
        assert 0 == sheet.page_setup.fitToHeight  # one page wide, as many high as it takes
    assert 4 == charts_in(told)


@pytest.mark.parametrize("internal", [False, True])
def test_no_cell_is_a_formula(*, internal: bool) -> None:
    """Cells are numbers and texts; a city named like a formula stays the text that it is."""
    sources = (Quality(Anomaly.AFTER_END, "=1+1", 3),)
    book = as_workbook(document(told=facts(data_quality=sources), internal=internal))
    found = [cell for name in book.sheetnames for cell in cells(sheet_of(book, name))]

    assert set() == {cell.data_type for cell in found} - {"n", "s"}
    assert HOSTILE in [cell.value for cell in found]
    assert [] == [cell for cell in found if cell.hyperlink]


FORMATS = {
    Kind.COUNT: "#,##0",
    Kind.RANK: "#,##0",
    Kind.WORKDAYS: "0.00",
    Kind.RATE: "0.00%",
    Kind.CHANGE: "[>=0.005]+0.00;[<=-0.005]-0.00;0.00",
}


def test_numbers_of_the_workbook_are_numbers() -> None:
    """Each figure is its value with a format for its kind; hidden ones are marked."""
    told = document()
    book = as_workbook(told)
    for table in told.tables:
        sheet = sheet_of(book, table.title)
        for number_, row in enumerate(table.rows, 4):
            assert row.name == sheet.cell(number_, 1).value
            for place, (column, cell) in enumerate(table.shown(row), 2):
                found = sheet.cell(number_, place)
                assert expected_value(cell, column.kind) == found.value
                if isinstance(found.value, int | float) and cell.decimals == 2:
                    assert FORMATS[column.kind] == found.number_format


def expected_value(cell: Cell, kind: Kind) -> object:
    if cell.hidden:
        return "*"
    if cell.value is None:
        return None if kind is Kind.RANK else "—"
    if isinstance(cell.value, bool):
        return "是" if cell.value else "否"
    return cell.value


# Charts.


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, [0, 1]),
        (0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (4, [0, 1, 2, 3, 4, 5]),
        (4.62, [0, 1, 2, 3, 4, 5]),
        (517, [0, 200, 400, 600]),
    ],
)
def test_ticks_are_round_and_reach_beyond(most: float, expected: list[float]) -> None:
    """An axis goes beyond the largest value in round steps."""
    assert pytest.approx(expected) == ticks(most)


def test_long_names_leave_room_for_the_chart() -> None:
    """A label is cut where it would push the bars out of the picture."""
    assert "湘西土家族苗族自治州" == shortened("湘西土家族苗族自治州")
    assert f"{'长' * 15}…" == shortened("长" * 100)


def test_a_line_breaks_where_a_value_is_missing() -> None:
    """A hidden month is a gap, not a zero."""
    assert [[(0, 1.0), (1, 2.0)], [(3, 4.0)]] == stretches([1.0, 2.0, None, 4.0, None])


def bar_widths(page: str) -> Mapping[str, float]:
    found = re.findall(
        r'<rect x="[^"]*" y="[^"]*" width="([^"]*)" height="14.0" class="[^"]*"><title>([^<]*)',
        page,
    )
    return {title.split()[0]: float(width) for width, title in found}


def test_a_hidden_city_has_no_bar() -> None:
    """A bar would tell the mean that the table hides."""
    widths = bar_widths(as_html(document()).split("<svg")[1])

    assert {"长沙市"} == {name for name in widths if name in ("长沙市", "湘潭市")}
    assert widths["长沙市"] > 0


def test_what_is_hidden_is_a_gap_in_the_charts_of_the_workbook() -> None:
    """Excel draws a text as a zero, so charts have data of their own, with empty cells."""
    sheet = sheet_of(as_workbook(document()), "图表数据")
    data = {row[0].value: [cell.value for cell in row[1:]] for row in sheet.iter_rows()}

    assert [4.214286, 4, None, None] == data["长沙市"]
    assert [None, 4, None, None] == data["湘潭市"]
    assert [3.571429, 4, 2.916667, 3] == data["2026-10"]
