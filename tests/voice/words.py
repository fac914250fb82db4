"""Words of the old dialect, in code and documents."""

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.voice.source import ROOT, Finding, files, shown

NEVER = {
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bfor ever\b": "permanently, indefinitely",
    r"\bheed(s|ed|ing)?\b": "respect, follow",
    r"\bwho(so)?ever\b": "anyone who",
    r"\bst(and|ands|anding|ood) still\b": "is paused",
    r"\bstands? (here )?a second time\b": "is repeated",
    r"\blet(s|ting)? go on\b": "resume, resumed",
    r"\b(takes?|taken|took|taking) up( again)?\b": "pick up, resume",
    r"\bsigns? of life\b": "activity",
    r"\bby the clock\b": "scheduled, recurring",
    r"\bunder way without a place\b": "waiting for a decision (no slot used)",
    r"\bruns?, runs? on\b|\bruns? on(?=[.,;:]|$)": "keeps going",
    r"\b(ask(s|ed|ing)?|giv(es?|en|ing)) (for )?leave\b": "ask for approval",
    r"\b(?<!there )is no (moment|name|cron|number|time of day|channel)\b": "is not a valid …",
    r"\bIt goes:": "Usage:",
    r"\bwords for anybody\b": "plain words",
}
"""Expressions that are always wrong, with their replacements. Reword a case where one would be right."""
LOOK_AT = {
    r"\b(is|are|was|were|be|being) told\b": "is notified",
    r"(?<!meta-)\bcoordinators?\b": "only overstory's agent of a product; the program is the fleet",
    r"\bplaces?\b": "slot, in the queue's sense",
    r"\broom\b": "capacity",
    r"\b(go|goes|going|went|gone) on\b": "resume, continue",
    r"\bfor good\b": "permanently",
    r"\bcom(e|es) first\b": "has priority",
    r"\b(nobody|somebody|anybody)\b": "name the role",
    r"\bkept\b": "stored, persisted",
    r"\bprod(s|ded|ding)?\b": "nudge",
    r"\bstands? (in|at|by|side)\b": "is in, is at",
    r"\blately\b": "recent",
}
"""Expressions that are often wrong and need a reader's judgement."""
EVERYWHERE = (ROOT / "bot", ROOT / "skills", ROOT / "docs", ROOT / "README.md", ROOT / "products.yaml", ROOT / ".env.example")
CODE_TOKENS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
SUFFIXES = (".py", ".js", ".html", ".md", ".yaml", ".yml", ".example", ".css")


def find(expressions: dict[str, str], paths: Iterable[Path] = EVERYWHERE) -> list[Finding]:
    """Find the expressions in text files, and in the strings and comments of Python files."""
    patterns = [(re.compile(expression, re.IGNORECASE), better) for expression, better in expressions.items()]
    return [
        Finding(f"{shown(path)}:{number}", f"“{found[0]}” ({better}) in {line.strip()[:140]}")
        for path in files(paths, *SUFFIXES)
        for number, line in _lines(path)
        for pattern, better in patterns
        if (found := pattern.search(line))
    ]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in CODE_TOKENS:
            yield from enumerate(token.string.splitlines(), token.start[0])
