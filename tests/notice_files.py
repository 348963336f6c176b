"""Notices of the work calendar as files, and policies that judge the years of old notices."""

import json
from collections.abc import Iterable

from holiday_cn import holiday_cn
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


def notice_file(notice: YearNotice, *papers: str) -> bytes:
    """Write a notice as the public feed holiday-cn does, by other papers where these are told."""
    told = holiday_cn(notice)
    return json.dumps({**told, "papers": papers or told["papers"]}).encode()


def csv_notices(notices: Iterable[YearNotice], paper: str) -> bytes:
    """Write notices of several years as our CSV."""
    lines = ["date,kind,year_notice,source,name"]
    for notice in notices:
        for on, day in sorted(notice.days.items()):
            kind = "makeup_workday" if day.kind.is_workday else "off"
            lines.append(f"{on},{kind},{notice.year},{paper},{day.name}")
    return "\n".join(lines).encode()
