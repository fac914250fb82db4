"""Command line of the rehearsal engine, `python -m bot.rehearsal`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("rehearsal-"):
        from bot.rehearsal.child import run

        sys.exit(run(sys.argv[1:]))
    from bot.rehearsal.main import main

    sys.exit(main(sys.argv[1:]))
