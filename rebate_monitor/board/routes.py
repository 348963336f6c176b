"""Which page is where, and what is around all of them."""

from aiohttp import web

from rebate_monitor.api.service import SERVICE
from rebate_monitor.board import alerts, calendar, case, cases, performance, sign_in, today, what_if
from rebate_monitor.board.address import tidied
from rebate_monitor.board.assets import get_asset
from rebate_monitor.board.errors import explain_to_people


def add_board(app: web.Application) -> None:
    """Add the pages to the application."""
    app.middlewares.append(explain_to_people)
    app[today.READING] = today.reading_for(app[SERVICE])
    router = app.router
    router.add_get("/", tidied(today.get_today))
    router.add_get("/cases", tidied(cases.get_cases))
    router.add_get("/find", tidied(cases.find_case))
    router.add_get("/cases/{case_id:[^/]+}", tidied(case.get_case))
    router.add_get("/alerts", tidied(alerts.get_alerts))
    router.add_post("/alerts/{alert_id}/ack", alerts.post_acknowledgement)
    router.add_get("/calendar", tidied(calendar.get_calendar))
    router.add_get("/performance", tidied(performance.get_performance))
    router.add_get("/performance.csv", tidied(performance.get_csv))
    router.add_get("/what-if", tidied(what_if.get_what_if))
    router.add_get("/sign-in", tidied(sign_in.get_sign_in))
    router.add_post("/sign-in", sign_in.post_sign_in)
    router.add_post("/sign-out", sign_in.post_sign_out)
    router.add_get("/static/{name}", get_asset)
