"""Markdown in Discord's dialect, split into messages. Pure.

Discord has no tables, no images and no headings below the third level. A message holds 2,000 characters.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

LONGEST = 2000
"""Characters of one message."""
FENCE = re.compile(r"^(\s{0,3})(`{3,}|~{3,})\s*([\w+-]*)[^`]*$")
ROW = re.compile(r"^\s*\|?.*\|.*$")
RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(\|\s*:?-{1,}:?\s*)*\|?\s*$")
WIDEST = 90
"""Characters of a table's line. A wider table becomes a list, because its lines would wrap."""


def tidy(markdown: str) -> str:
    """Return Markdown with replacements for what Discord lacks.

    Code stays as it is, and nothing is hidden, because people decide on what they see.
    """
    lines = markdown.split("\n")
    out: list[str] = []
    fence = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        if found := FENCE.match(line):
            fence = "" if fence and line.strip().startswith(fence) else fence or found.group(2)
        elif not fence and "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and RULE.match(lines[at + 1]):
            end = at + 2
            while end < len(lines) and lines[end].strip() and ROW.match(lines[end]):
                end += 1
            out += _table([_cells(row) for row in (line, *lines[at + 2 : end])])
            at = end
            continue
        elif not fence:
            line = _plainer(line)
        out.append(line)
        at += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def _plainer(line: str) -> str:
    line = re.sub(r"^\s{0,3}#{4,6}\s+(.*?)\s*#*$", r"**\1**", line)
    line = re.sub(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)", lambda found: f"[{found[1] or 'image'}]({found[2]})", line)
    line = line.replace("||", "\\|\\|")  # Discord would hide spoilers until a click
    line = re.sub(r"^(\s*)[-*]\s+\[[ ]\]\s", r"\1- ☐ ", line)
    line = re.sub(r"^(\s*)[-*]\s+\[[xX]\]\s", r"\1- ☑ ", line)
    return re.sub(r"^\s{0,3}([-*_])(\s*\1){2,}\s*$", "──────", line)


def _cells(row: str) -> list[str]:
    inner = re.sub(r"^\s*\||\|\s*$", "", row)
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", inner)]


def _table(rows: list[list[str]]) -> list[str]:
    """Return a table as aligned columns, or as a list if it is too wide."""
    head, body = rows[0], rows[1:]
    plain = [[re.sub(r"[*`]", "", cell) for cell in row] for row in rows]
    columns = max(map(len, rows))
    widths = [max(len(row[column]) if column < len(row) else 0 for row in plain) for column in range(columns)]
    if sum(widths) + 2 * len(widths) > WIDEST:
        return [_told(head, row) for row in body]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in plain]
    return ["```", shown[0], "  ".join("─" * width for width in widths), *shown[1:], "```"]


def _told(head: Sequence[str], row: Sequence[str]) -> str:
    first, *others = zip_longest(head, row, fillvalue="")
    rest = "; ".join(f"{name}: {value}" if name else value for name, value in others if value)
    return f"- **{first[1] or first[0]}**" + (f" · {rest}" if rest else "")


def pieces(text: str, most: int = LONGEST) -> list[str]:
    """Split a text into pieces of at most `most` characters.

    It splits between paragraphs, else lines, sentences or words. A split code block is closed and opened again.
    """
    found: list[str] = []
    rest, opened = text.strip(), ""
    while len(opened) + len(rest) > most:
        room = most - len(opened) - 4
        piece = rest[: _cut(rest, room)]
        still = _open_fence(opened + piece)
        found.append(opened + piece.rstrip() + ("\n```" if still else ""))
        rest = rest[len(piece) :].lstrip("\n") if still else rest[len(piece) :].lstrip()
        opened = f"{still}\n" if still else ""
    if rest:
        found.append(opened + rest)
    return found


def _cut(text: str, room: int) -> int:
    """Return the index at which to split a text, the last good one in its second half."""
    window = text[:room]
    for mark in ("\n\n", "\n", ". ", "; ", ", ", " "):
        at = window.rfind(mark)
        if at >= room // 2:
            return at + len(mark)
    return room


def _open_fence(text: str) -> str:
    """Return the line that opened an unclosed code block. Empty if there is none."""
    opened = ""
    for line in text.split("\n"):
        if found := FENCE.match(line):
            opened = "" if opened else f"```{found.group(3)}"
    return opened


def beginning(text: str, most: int) -> str:
    """Return the first piece of a text, with an ellipsis if it continues."""
    if len(text) <= most:
        return text
    return pieces(text, most - 2)[0] + "\n…"


def ending(text: str, most: int) -> str:
    """Return the end of a text from the start of a line, with every code block closed."""
    if len(text) > most:
        tail = text[-most + 8 :]
        opened = _open_fence(text[: len(text) - len(tail)])
        text = f"…\n{opened}\n{tail.partition(chr(10))[2] or tail}" if opened else f"… {tail.partition(chr(10))[2] or tail}"
    return f"{text}\n```" if _open_fence(text) else text


def code(text: str, language: str, most: int) -> str:
    """Return a code block of at most `most` characters, cut between lines.

    Its text cannot end the block.
    """
    inner = text.replace("```", "`\u200b``")
    room = most - len(language) - 12
    if len(inner) > room:
        inner = inner[: max(inner.rfind("\n", 0, room), 0)] or inner[:room]
        inner += "\n…"
    return f"```{language}\n{inner}\n```"


def lines(*found: str) -> str:
    """Join lines, without empty ones."""
    return "\n".join(_present(found))


def _present(found: Sequence[str]) -> Iterator[str]:
    return (each for each in found if each)
