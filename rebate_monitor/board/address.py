"""Keep the addresses of pages tidy: what is chosen in a form, and nothing that is empty."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, urlencode

from aiohttp import web

from rebate_monitor.board.language import remember_language
from rebate_monitor.catalogue import Language

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LANGUAGE = "lang"


def tidied(handler: Handler) -> Handler:
    """Let a page be asked for with `?lang=`, and by forms, which send fields that are empty too.

    Both are answered with the tidy address; the language is remembered.
    """

    async def tidy(request: web.Request) -> web.StreamResponse:
        kept = [(k, v) for k, v in request.query.items() if v and k != LANGUAGE]
        if len(kept) == len(request.query):
            return await handler(request)
        query = f"?{urlencode(kept)}" if kept else ""
        response = see_other(f"{request.rel_url.raw_path}{query}")
        language = request.query.get(LANGUAGE)
        if language in set(Language):
            remember_language(response, Language(language))
        return response

    return tidy


def see_other(address: str) -> web.Response:
    """Send a browser to another page."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address})


def case_link(case_id: str) -> str:
    """Return the address of a case's page; an id may hold anything."""
    return f"/cases/{quote(case_id, safe='')}"


def is_local(path: str) -> bool:
    """Say whether an address leads to a page of this service, and nowhere else."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
