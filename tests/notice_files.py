"""Notices of the work calendar as files, and policies that judge the years of old notices."""

import json
from collections.abc import Iterable

from rebate_monitor.domain.work_calendar import YearNotice

TRIAL = """
[[policy]]
id = "trial-2018"
title = "试行：2018年起的办理时限"
title_en = "A trial: limits from 2018 on"
effective_from = 2018-01-01
effective_to = 2023-10-25
limits = { I = 3, II = 3, default = 4 }
targets = { all = 4, category_1_2 = 3 }
"""


def holiday_cn(notice: YearNotice, *papers: str) -> bytes:
    """Write a notice as the public feed holiday-cn does."""
    days = [
        {"name": day.name, "date": f"{on}", "isOffDay": not day.kind.is_workday}
        for on, day in sorted(notice.days.items())
    ]
    return json.dumps({"year": notice.year, "papers": papers, "days": days}).encode()


def csv_notices(notices: Iterable[YearNotice], paper: str) -> bytes:
    """Write notices of several years as our CSV."""
    lines = ["date,kind,year_notice,source,name"]
    for notice in notices:
        for on, day in sorted(notice.days.items()):
            kind = "makeup_workday" if day.kind.is_workday else "off"
            lines.append(f"{on},{kind},{notice.year},{paper},{day.name}")
    return "\n".join(lines).encode()
