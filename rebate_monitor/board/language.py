"""In which language somebody reads: the one they chose, or that of their browser."""

from http.cookies import CookieError

from aiohttp import web

from rebate_monitor.catalogue import Language

LANGUAGE_COOKIE, LANGUAGE_LASTS = "rebate_language", 31_536_000


def language_of(request: web.Request) -> Language:
    """Return the language that was chosen, or that the browser asks for; else Chinese."""
    chosen = _cookie(request, LANGUAGE_COOKIE)
    if chosen in set(Language):
        return Language(chosen)
    for told in request.headers.get("Accept-Language", "").lower().split(","):
        for language in Language:
            if told.strip().startswith(language.value):
                return language
    return Language.ZH


def _cookie(request: web.Request, name: str) -> str | None:
    try:
        return request.cookies.get(name)
    except CookieError:
        return None


def remember_language(response: web.StreamResponse, language: Language) -> None:
    """Let the browser remember which language was chosen."""
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=LANGUAGE_LASTS, httponly=True, samesite="Lax"
    )
