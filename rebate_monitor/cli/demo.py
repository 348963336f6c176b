"""`rebate-monitor demo`: the whole service with a simulated province, ready to look at."""

from datetime import timedelta

import structlog

DEMO_FOLDER = "demo"
HISTORY = timedelta(days=60)
LIVE_EVERY_SECONDS = 1.0
FIRST_PORT, LAST_PORT = 8080, 8099

log = structlog.get_logger()
