"""Notices of the work calendar in the shape of the public feed holiday-cn."""

from collections.abc import Iterable
from dataclasses import replace

from cloud_events import Json
from conftest import Client
from rebate_monitor.calendar_sources import published_notices
from rebate_monitor.domain.work_calendar import DayKind, YearNotice


def holiday_cn(notice: YearNotice) -> Json:
    """Return a notice as the feed has it."""
    return {
        "year": notice.year,
        "papers": [notice.notice] if notice.notice else [],
        "days": [
            {"name": special.name, "date": str(on), "isOffDay": special.kind is DayKind.DAY_OFF}
            for on, special in sorted(notice.days.items())
        ],
    }


def published(year: int, paper: str | None = None, off: Iterable[str] = ()) -> Json:
    """Return a published year, by another paper or with more days off where these are told."""
    notice = published_notices()[year]
    told = holiday_cn(replace(notice, notice=paper or notice.notice))
    told["days"] += [{"name": "加放", "date": on, "isOffDay": True} for on in off]
    return told


def made_up(year: int, *, off: Iterable[str], paper: str = "a made-up notice") -> Json:
    """Return a notice of a year that nobody has published, by its days off."""
    days = [{"name": "元旦", "date": on, "isOffDay": True} for on in off]
    return {"year": year, "papers": [paper], "days": days}


async def put(client: Client, told: Json, query: str = "", status: int | None = None) -> Json:
    """Put a notice that is taken; return the answer."""
    async with client.put(f"/v1/calendar/{told['year']}?{query}", json=told) as response:
        assert response.status in ((200, 201, 202) if status is None else (status,)), (
            await response.text()
        )
        answer: Json = await response.json()
        return answer
