"""`python3 -m quotes ORDER.json …`"""

import sys

from quotes.quote import do_quote

if __name__ == "__main__":
    for path in sys.argv[1:]:
        do_quote(path)
