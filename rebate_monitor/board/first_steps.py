"""What a newcomer does next: a first event, ready to be copied."""

import json
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.session import is_secure
from rebate_monitor.domain.local_time import SHANGHAI

A_WHILE = timedelta(minutes=1)
CASE, OFFICE = "my-first-case", "14301000000"
EVENT_JSON = "application/cloudevents+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """A command that posts an event; it works as it stands where it has a key."""

    command: str
    case_id: str
    has_key: bool


def first_steps(request: web.Request) -> FirstSteps:
    """Return the first steps at the address at which the page was asked for."""
    service = request.app[SERVICE]
    key = service.shown_key
    address = f"{'https' if is_secure(request) else 'http'}://{request.host}"
    accepted = (service.now() - A_WHILE).astimezone(SHANGHAI)
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": f"/hunan/{OFFICE}",
        "type": "rebate.case.accepted",
        "subject": CASE,
        "time": accepted.isoformat(timespec="seconds"),
        "data": {"category": "I", "office": OFFICE, "amount_cny": "123456.78"},
    }
    command = (
        f'curl {address}/v1/events -H "Authorization: Bearer {key or "$KEY"}" \\\n'
        f"  -H 'Content-Type: {EVENT_JSON}' \\\n"
        f"  -d '{json.dumps(event)}'"
    )
    return FirstSteps(command=command, case_id=CASE, has_key=key is not None)
