"""/sign-in and /sign-out: a key is told once, and a session stands for it from then on."""

from aiohttp import web

from rebate_monitor.api.access import ANONYMOUS, owner_of_key, refuse_from_elsewhere
from rebate_monitor.api.audit import record
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.session import hand_over, secret_of, take_back
from rebate_monitor.board.address import is_local, see_other
from rebate_monitor.board.form import read_form
from rebate_monitor.board.frame import page, visit
from rebate_monitor.storage.audit import Action
from rebate_monitor.storage.sessions import close_session, open_session

START = "/"
MOST_KEY = 500
WRONG_KEY = 401


async def get_sign_in(request: web.Request) -> web.Response:
    """Ask for a key."""
    return _form(request, _wanted(request.query.get("next")))


async def post_sign_in(request: web.Request) -> web.Response:
    """Open a session for a key that counts, and go on to the page that was wanted."""
    refuse_from_elsewhere(request)
    told = await read_form(request)
    key, wanted = told.get("key", "").strip(), _wanted(told.get("next"))
    principal = await owner_of_key(request, key) if key and len(key) <= MOST_KEY else None
    if principal is None:
        return _form(request, wanted, wrong=True, status=WRONG_KEY)
    await record(request, principal, Action.SESSION_OPENED, principal.key_id or principal.name)
    service = request.app[SERVICE]
    async with service.database.connection() as connection:
        if before := secret_of(request):
            await close_session(connection, before)
        secret = await open_session(connection, key, service.now())
    response = see_other(wanted)
    hand_over(request, response, secret)
    return response


async def post_sign_out(request: web.Request) -> web.Response:
    """End the session, here and on every other replica."""
    refuse_from_elsewhere(request)
    if secret := secret_of(request):
        async with request.app[SERVICE].database.connection() as connection:
            await close_session(connection, secret)
    response = see_other("/sign-in")
    take_back(request, response)
    return response


def _wanted(path: str | None) -> str:
    return path if path and is_local(path) else START


def _form(
    request: web.Request, wanted: str, *, wrong: bool = False, status: int = 200
) -> web.Response:
    anonymous = request.app[SERVICE].settings.anonymous_read
    values = {"wanted": wanted, "wrong": wrong, "anonymous": anonymous and ANONYMOUS}
    return page(visit(request), "sign_in.html.jinja", values, status)
