"""The real service, but it holds nobody back who tries wrong keys, as is done here all the time."""

from rebate_monitor.api import throttle
from rebate_monitor.cli import main

if __name__ == "__main__":
    throttle.WRONG_A_MINUTE = 10**9
    main()
