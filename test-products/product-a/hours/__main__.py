"""`python3 -m hours FILE [--by client|day] [--client NAME]`."""

import argparse
import sys
from pathlib import Path

from hours import report, sheet


def main(arguments: list[str] | None = None) -> int:
    """Print the sums of a timesheet. 0: done, 1: a line cannot be read, 2: wrong arguments or no such file."""
    parser = argparse.ArgumentParser(prog="hours", description="Adds up a timesheet.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", choices=sorted(report.KEYS), default="client")
    parser.add_argument("--client")
    options = parser.parse_args(arguments)
    try:
        stretches = sheet.read(options.file.read_text(encoding="utf-8"))
    except OSError as error:
        print(f"hours: {options.file}: {error.strerror}", file=sys.stderr)
        return 2
    except sheet.BadLine as error:
        print(f"hours: {options.file}: {error}", file=sys.stderr)
        return 1
    print(report.table(report.sums(stretches, options.by, options.client)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
