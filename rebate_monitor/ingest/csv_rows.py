"""Turn rows of a CSV export into events, so that a table needs no programmer.

Columns are the names of DESIGN section 4: `subject` (or `case_id`), `type` (with or without
`rebate.case.`), `time`, optionally `id` and `source`, and the fields of the data. A cell left empty
was not told.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from rebate_monitor.domain.event import EventType

NAMES = {"case_id": "subject"}
ENVELOPE = ("id", "source", "type", "subject", "time")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "是": True, "否": False}
SURPLUS = "cell_without_a_column"
BOOLEAN_FIELDS = ("whitelisted", "cash_refund")
REQUIRED = ("subject", "type", "time")
TIME = re.compile(
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})[T ]([0-9]{1,2}):([0-9]{2})"
    r"(?::([0-9]{2}(?:\.[0-9]+)?))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
CHINESE_NAMES = {
    "rebate_type": {
        "免退税": "exempt_refund",
        "免抵退税": "exempt_credit_refund",
        "代办退税": "agency",
        "其他": "other",
    },
    "reason": {
        "补正": "supplement",
        "疑点核实": "verification",
        "函调": "correspondence",
        "实地核查": "onsite",
        "暂不办理": "hold",
        "其他": "other",
    },
}
SHORT_TYPES = {event_type.rpartition(".")[2]: event_type for event_type in EventType}


class CsvHeaderError(ValueError):
    """The first line of the file does not name the columns that an event needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvDefaults:
    """What a file leaves out: the source of its rows, and the offset of its times."""

    source: str
    offset: str | None = None


def check_header(header: Iterable[str]) -> None:
    """Raise CsvHeaderError when a needed column is missing."""
    names = {NAMES.get(name.strip(), name.strip()) for name in header}
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise CsvHeaderError(
            f"the first line must name the columns; missing: {', '.join(missing)} "
            f"(found: {', '.join(sorted(names))})"
        )


def csv_events(
    rows: Iterable[Mapping[str | None, str | list[str] | None]], defaults: CsvDefaults
) -> Iterator[bytes]:
    """Yield an event's JSON for each row; what is wrong with it is said when it is decoded."""
    for row in rows:
        told = _told(row)
        try:
            yield msgspec.json.encode(_event(told, defaults))
        except UnicodeEncodeError:  # undecodable bytes, which the wire refuses for this row alone
            yield ",".join(told.values()).encode("utf-8", "surrogateescape")


def _told(row: Mapping[str | None, str | list[str] | None]) -> dict[str, str]:
    told = {
        NAMES.get(name.strip(), name.strip()): value.strip()
        for name, value in row.items()
        if isinstance(name, str) and isinstance(value, str) and value.strip()
    }
    if row.get(None):  # more cells than columns: nobody can say which cell belongs where
        told[SURPLUS] = "told"
    return told


def _event(told: dict[str, str], defaults: CsvDefaults) -> dict[str, object]:
    envelope: dict[str, object] = {"specversion": "1.0", "source": defaults.source}
    envelope |= {name: told[name] for name in ENVELOPE if name in told}
    event_type = SHORT_TYPES.get(told.get("type", ""), told.get("type", ""))
    envelope["type"] = event_type
    if "time" in told:
        envelope["time"] = _instant(told["time"], defaults.offset)
    data = {name: value for name, value in told.items() if name not in ENVELOPE}
    if event_type == EventType.RETRACTED:
        data = {"id": data.pop("retracts_id", ""), **_renamed_source(data)}
    envelope["data"] = {name: _value(name, value) for name, value in data.items()}
    return {"id": _row_id(envelope), **envelope}


def _renamed_source(data: dict[str, str]) -> dict[str, str]:
    source = data.pop("retracts_source", None)
    return {**data, **({"source": source} if source else {})}


def _row_id(envelope: Mapping[str, object]) -> str:
    """Name a row by what it says, however it is spelled, so that each row is taken once."""
    content = msgspec.json.encode(envelope, order="sorted")
    return f"row-{hashlib.sha256(content).hexdigest()[:24]}"


def _instant(text: str, offset: str | None) -> str:
    """Write `2026/11/6 9:15` as RFC 3339; the offset is only added when one was told."""
    found = TIME.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, told = found.groups()
    moment = f"{int(hour):02}:{minute}:{second or '00'}{told or offset or ''}"
    return f"{year}-{int(month):02}-{int(day):02}T{moment}"


def _value(name: str, value: str) -> object:
    """Read a cell as people write it: a Chinese name, yes and no, thousands set apart."""
    if name in BOOLEAN_FIELDS:
        return BOOLEANS.get(value.lower(), value)
    if name == "amount_cny" and THOUSANDS.fullmatch(value):
        return value.replace(",", "")
    return CHINESE_NAMES.get(name, {}).get(value, value)
