"""Read what a form of a page sends."""

from urllib.parse import parse_qsl

from aiohttp import web

from rebate_monitor.api.body import read_body
from rebate_monitor.api.problems import (
    InvalidProblem,
    TooLargeProblem,
    UnsupportedMediaTypeProblem,
)

FORM = "application/x-www-form-urlencoded"
MOST_BYTES, MOST_FIELDS = 32_768, 20


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, of repeated ones the last; raise a problem for anything else."""
    if request.content_type != FORM:
        raise UnsupportedMediaTypeProblem(f"send {FORM}")
    body = await read_body(request)
    if len(body) > MOST_BYTES:
        raise TooLargeProblem(f"a form has at most {MOST_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise InvalidProblem(
            f"the form cannot be read: it must be UTF-8 with at most {MOST_FIELDS} fields"
        ) from None
