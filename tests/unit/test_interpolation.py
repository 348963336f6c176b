"""What Grafana sends for a variable, a time range and a macro."""

from datetime import UTC, datetime

import pytest

from grafana.panels import macros
from grafana.panels.interpolation import (
    Choice,
    glob_format,
    interpolate,
    postgresql_format,
    prometheus_format,
)
from grafana.panels.time_range import TimeRange, duration_text, seconds_of, time_range
from rebate_monitor.domain.local_time import SHANGHAI

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=SHANGHAI)
DAY = TimeRange(begin=datetime(2026, 11, 25, tzinfo=UTC), end=datetime(2026, 11, 26, tzinfo=UTC))
TWO_CITIES = Choice(name="city", value=("430100", "430200"), text="All", multi=True)
ONE_CITY = Choice(name="city", value=("430100",), text="长沙市", multi=True)
PERIOD = Choice(name="period", value="month", text="本月")
CHOICES = {"city": TWO_CITIES, "period": PERIOD}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("$period", "month"),
        ("${period}", "month"),
        ("[[period]]", "month"),
        ("[$period]", "[month]"),
        ("${period:text}", "本月"),
        ("${city:csv}", "430100,430200"),
        ("${city:raw}", "430100,430200"),
        ("${city:pipe}", "430100|430200"),
        ("${city:regex}", "(430100|430200)"),
        ("${city:singlequote}", "'430100','430200'"),
        ("${city:doublequote}", '"430100","430200"'),
        ("${city:sqlstring}", "'430100','430200'"),
        ("${city:text}", "All"),
        ("$city", "{430100,430200}"),
        ("$periods ${unknown} $__interval $__timeFilter(day)", None),
        ("市州$period市州", "市州month市州"),
        ("${period:no_such_format}", "month"),
    ],
)
def test_a_variable_is_put_in_where_it_is_named(text: str, sent: str | None) -> None:
    """All spellings and formats; what is no variable stays for others to replace."""
    assert (text if sent is None else sent) == interpolate(text, CHOICES, glob_format)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (TWO_CITIES, "(430100|430200)"),
        (ONE_CITY, "430100"),
        (PERIOD, "month"),
        (Choice(name="x", value=("a.b", "c|d"), text="", multi=True), r"(a\\.b|c\\|d)"),
        (Choice(name="x", value="a.b", text="", include_all=True), r"a\\.b"),
        (Choice(name="x", value="a.b'c", text=""), r"a.b\\'c"),
        (Choice(name="x", value=(), text="All", multi=True), "()"),
    ],
)
def test_prometheus_gets_a_regular_expression(choice: Choice, sent: str) -> None:
    """Values are escaped twice where several can be selected: regular expression and string."""
    assert sent == prometheus_format(choice.value, choice)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (TWO_CITIES, "'430100','430200'"),
        (ONE_CITY, "'430100'"),
        (PERIOD, "month"),
        (Choice(name="x", value="o'clock", text=""), "o''clock"),
        (Choice(name="x", value="o'clock", text="", include_all=True), "'o''clock'"),
    ],
)
def test_postgresql_gets_literals_where_several_can_be_selected(choice: Choice, sent: str) -> None:
    """A single value stands without quotes, which the query has to have itself."""
    assert sent == postgresql_format(choice.value, choice)


def test_a_text_of_its_own_for_all_is_put_in_as_it_is() -> None:
    """Not escaped, whatever the format, but its own variables are replaced."""
    everything = Choice(name="city", value=("a",), text="All", custom=".*$period")
    choices = {"city": everything, "period": PERIOD}

    assert ".*month" == interpolate("${city:sqlstring}", choices, prometheus_format)
    assert "All" == interpolate("${city:text}", choices, prometheus_format)


@pytest.mark.parametrize(
    ("begin", "end", "since", "until"),
    [
        ("now-24h", "now", "2026-11-25T09:30:00", "2026-11-26T09:30:00"),
        ("now-7d", "now-1d", "2026-11-19T09:30:00", "2026-11-25T09:30:00"),
        ("now/M", "now", "2026-11-01T00:00:00", "2026-11-26T09:30:00"),
        ("now-1M/M", "now-1M/M", "2026-10-01T00:00:00", "2026-10-31T23:59:59"),
        ("now/d", "now/d", "2026-11-26T00:00:00", "2026-11-26T23:59:59"),
        ("now/w", "now/y", "2026-11-23T00:00:00", "2026-12-31T23:59:59"),
        ("now-1y", "now", "2025-11-26T09:30:00", "2026-11-26T09:30:00"),
    ],
)
def test_a_time_range_is_read_in_shanghai(begin: str, end: str, since: str, until: str) -> None:
    """Days, weeks, months and years begin and end there."""
    found = time_range(begin, end, NOW)

    assert since == f"{found.begin:%Y-%m-%dT%H:%M:%S}"
    assert until == f"{found.end:%Y-%m-%dT%H:%M:%S}"


def test_a_time_that_is_no_time_is_refused() -> None:
    """A misspelt range says what is understood."""
    with pytest.raises(ValueError, match="now-30d"):
        time_range("yesterday", "now", NOW)


@pytest.mark.parametrize(
    ("points", "least", "step"), [(1000, 15, 120), (100, 15, 900), (10_000, 15, 15)]
)
def test_the_step_follows_from_the_range_and_the_width(
    points: int, least: float, step: float
) -> None:
    """A day over a wide panel, a narrow one, and never less than a scrape."""
    assert step == DAY.step(points, least)


def test_durations_are_read_and_written() -> None:
    """As PromQL and `$__timeGroup` have them."""
    assert [86400, 300, 0.5] == [seconds_of("1d"), seconds_of("5m"), seconds_of("500ms")]
    assert ["300s", "500ms"] == [duration_text(300), duration_text(0.5)]
    with pytest.raises(ValueError, match="no duration"):
        seconds_of("a day")


def test_promql_gets_intervals() -> None:
    """The rate's interval spans four scrapes at least, and a step and a scrape."""
    text = "rate(x[$__rate_interval]) / $__range_s + y[$__interval] + z[${__range}]"

    assert "rate(x[60s]) / 86400 + y[30s] + z[86400s]" == macros.promql(text, DAY, 30, 15)
    assert "135s" == macros.promql("$__rate_interval", DAY, 120, 15)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("$__time(day)", 'day AS "time"'),
        (
            "$__timeFilter(day)",
            "day BETWEEN '2026-11-25T00:00:00.000000Z' AND '2026-11-26T00:00:00.000000Z'",
        ),
        ("$__timeFrom()", "'2026-11-25T00:00:00.000000Z'"),
        ("$__timeTo()", "'2026-11-26T00:00:00.000000Z'"),
        ("BY $__timeGroup(day, '1d')", "BY floor(extract(epoch from day)/86400)*86400"),
        ("$__timeGroup(day,'1h'),", 'floor(extract(epoch from day)/3600)*3600 AS "time",'),
        ("$__timeGroupAlias(day,1h)", 'floor(extract(epoch from day)/3600)*3600 AS "time"'),
        ("$__interval $__interval_ms", "120s 120000"),
        ("sum(x) AS a", "sum(x) AS a"),
    ],
)
def test_sql_gets_macros(text: str, sent: str) -> None:
    """Those of the PostgreSQL data source, its old spelling of a group included."""
    assert sent == macros.sql(text, DAY, 120)


@pytest.mark.parametrize("text", ["$__timeFiltre(day)", "$__timeGroup(day)", "$__timeFilter()"])
def test_a_wrong_macro_is_refused(text: str) -> None:
    """As Grafana's back end does, instead of sending it to the database."""
    with pytest.raises(macros.MacroError):
        macros.sql(text, DAY, 120)
