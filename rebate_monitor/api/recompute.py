"""GET /v1/recompute: how far cases are laid down anew after the rules have changed."""

from datetime import datetime
from typing import Literal

import msgspec
from aiohttp import web

from rebate_monitor.api.access import require
from rebate_monitor.api.parameters import allow_only
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.views import encode, local, local_or_none
from rebate_monitor.domain.known_then import BroughtBy
from rebate_monitor.storage.keys import Scope
from rebate_monitor.storage.recomputes import Recompute, latest_recomputes
from rebate_monitor.storage.rulebooks import brought_rules

SHOWN = 20
PATH = "/v1/recompute"


class RecomputeView(msgspec.Struct, kw_only=True):
    """A recompute by a version of the rules: `done` of `cases` are done, null until counted.

    `because` and `by` are those of the rules. A later one that began meanwhile takes over what is
    left: then the state is `superseded`.
    """

    number: int
    rules: int
    because: str
    by: str | None
    state: Literal["under_way", "finished", "superseded"]
    superseded_by: int | None
    started_at: datetime
    progressed_at: datetime | None
    finished_at: datetime | None
    cases: int | None
    done: int
    changed: int
    due_dates_moved: int
    breaches_made: int
    breaches_unmade: int


class RecomputesView(msgspec.Struct, kw_only=True):
    """The recompute that is under way, if any, and the latest ones, the latest first."""

    under_way: RecomputeView | None
    latest: list[RecomputeView]


async def get_recompute(request: web.Request) -> web.Response:
    """Answer how far the recompute under way is, and what the latest ones came to."""
    await require(request, Scope.CASES_READ)
    allow_only(request, [])
    async with request.app[SERVICE].database.transaction(snapshot=True) as connection:
        told = await latest_recomputes(connection, SHOWN)
        brought = await brought_rules(connection, {recompute.rules for recompute in told})
    latest = [recompute_view(one, brought[one.rules]) for one in told]
    under_way = next((view for view in latest if view.state == "under_way"), None)
    view = RecomputesView(under_way=under_way, latest=latest)
    return web.Response(body=encode(view), content_type="application/json")


def recompute_view(told: Recompute, brought: BroughtBy) -> RecomputeView:
    """Lay a recompute out, with why its rules came."""
    return RecomputeView(
        number=told.number,
        rules=told.rules,
        because=brought.because,
        by=brought.by or None,
        state=told.state,
        superseded_by=told.superseded_by,
        started_at=local(told.started_at),
        progressed_at=local_or_none(told.progressed_at),
        finished_at=local_or_none(told.finished_at),
        cases=told.cases,
        done=told.done,
        changed=told.changes.changed,
        due_dates_moved=told.changes.due_dates_moved,
        breaches_made=told.changes.breaches_made,
        breaches_unmade=told.changes.breaches_unmade,
    )
