"""`rebate-monitor explain`: take one case's count apart, day by day."""

from collections.abc import Iterator
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rebate_monitor.api.parameters import an_instant
from rebate_monitor.catalogue import Language
from rebate_monitor.cli import session
from rebate_monitor.cli.acting import acting
from rebate_monitor.domain.case import happened_by
from rebate_monitor.domain.explanation import ExplainedDay
from rebate_monitor.explaining.explain import Explanation
from rebate_monitor.server import rules_of, utc_now
from rebate_monitor.settings import Settings
from rebate_monitor.storage.audit import Action, add_records
from rebate_monitor.storage.case_events import events_of_cases
from rebate_monitor.storage.case_rows import stored_cases


@click.command(short_help="Take one case's count apart, day by day.")
@click.argument("case_id")
@click.option("--lang", type=click.Choice([lang.value for lang in Language]), default="zh")
@click.option("--at", help="Another moment, such as 2026-11-20T09:15:00+08:00 [now].")
def explain(case_id: str, lang: str, at: str | None) -> None:
    """Say for each day of a case whether it was counted and why, with the rules in words."""
    settings = session.told_settings()
    moment = _moment(at)
    with session.plain_errors(), session.database_server(settings) as server:
        told = session.run(_explanation(settings, server, case_id, Language(lang), moment))
    Console().print(_table(told))
    for line in _lines(told):
        click.echo(line)


def _moment(at: str | None) -> datetime | None:
    try:
        return None if at is None else an_instant(at)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


async def _explanation(
    settings: Settings,
    server: session.Server,
    case_id: str,
    language: Language,
    at: datetime | None,
) -> Explanation:
    async with session.ready_connection(settings, server) as connection:
        await add_records(connection, [acting().record(Action.CASE_EXPLAINED, case_id)])
    async with (
        session.ready_database(settings, server) as database,
        database.transaction(snapshot=True) as connection,
    ):
        in_force = await rules_of(settings).in_force(connection)
        rows = await stored_cases(connection, [case_id])
        stored = (await events_of_cases(connection, [case_id])).get(case_id)
    if not stored:
        raise click.ClickException(f"no event of the case {case_id!r} has been received")
    rules = in_force.of_row(rows[case_id].rules)
    if at is not None and not rules.calendar.covers(at):
        said = f"--at: must lie from {rules.calendar.first} to {rules.calendar.last}"
        raise click.ClickException(said)
    events = [known.event for known in stored]
    case = rules.fold(case_id, happened_by(events, at) if at else events)
    return Explanation(
        case=case, rulebook=rules, now=at or utc_now(), language=language, sensitive=True
    )


def _table(told: Explanation) -> Table:
    words = told.words
    title = Text(words.say("table.title", case=told.case.case_id))  # a case id is no markup
    table = Table(title=title, title_justify="left")
    for column in ("date", "counted", "because", "name", "total"):
        table.add_column(words.say(f"table.{column}"))
    for day in told.days:
        table.add_row(*_cells(told, day), style=None if day.counted else "dim")
    return table


def _cells(told: Explanation, day: ExplainedDay) -> Iterator[str]:
    yield f"{day.date} {told.words.say(f'weekday.{day.date.weekday()}')}"
    yield "+1" if day.counted else ""
    yield told.words.say(f"because.{day.because}")
    yield told.name(day) or ""
    yield str(day.running_total)


def _lines(told: Explanation) -> Iterator[str]:
    for number, sentence in enumerate(told.rules, 1):
        yield f"{number}. {sentence.text}"
    if told.cited is not None:
        title, citation = told.cited
        yield told.words.say("table.policy", title=title)
        yield told.words.say("table.citation", citation=citation)
