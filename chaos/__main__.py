"""`python -m chaos [FAULT…] [--rounds N] [--seed S]`: try faults, print a row of each."""

import argparse
import asyncio
import sys

from chaos.faults import FAULTS
from chaos.trial import NoSmallDiskError, Result, tried

HEADS = ("fault", "rounds", "requests", "stored", "repeated", "503", "unanswered", "faults")


def main() -> int:
    """Return 0 where no trial found a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    unknown = set(told.faults) - set(FAULTS)
    if unknown:
        parser.error(f"there is no fault {min(unknown)}; there are {', '.join(FAULTS)}")
    _say(HEADS)
    found = 0
    for name in told.faults or FAULTS:
        try:
            result = asyncio.run(tried([name], told.rounds, told.seed))
        except NoSmallDiskError:
            _say((name, "only root can make a small disk for it"))
            continue
        _say(_row(result))
        for fault in result.faults:
            sys.stdout.write(f"  {fault}\n")
        found += len(result.faults)
    return 1 if found else 0


def _row(result: Result) -> tuple[str, ...]:
    counts = (
        *(result.rounds, result.requests, result.acknowledged, result.repeated),
        *(result.away, result.unanswered, len(result.faults)),
    )
    return result.fault, *(f"{count:,}" for count in counts)


def _say(cells: tuple[str, ...]) -> None:
    first, *rest = cells
    sys.stdout.write(f"{first:<16}" + "".join(f"{cell:>12}" for cell in rest) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
