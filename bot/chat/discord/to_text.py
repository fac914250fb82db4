"""Markdown as Discord shows it, in pieces that it takes. Pure.

Discord has no tables, no images and no headings below the third level; a message holds 2,000 characters.
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
"""Characters of a table's line; wider tables would wrap, so they are told row by row."""


def tidy(markdown: str) -> str:
    """The text with what Discord lacks said otherwise; what stands in code stays as it is. Nothing of it is hidden: people
    decide on what they see."""
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
    line = line.replace("||", "\\|\\|")  # it would be shown only after a click
    line = re.sub(r"^(\s*)[-*]\s+\[[ ]\]\s", r"\1- ☐ ", line)
    line = re.sub(r"^(\s*)[-*]\s+\[[xX]\]\s", r"\1- ☑ ", line)
    return re.sub(r"^\s{0,3}([-*_])(\s*\1){2,}\s*$", "──────", line)


def _cells(row: str) -> list[str]:
    inner = re.sub(r"^\s*\||\|\s*$", "", row)
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", inner)]


def _table(rows: list[list[str]]) -> list[str]:
    """A table as aligned columns of fixed width; as a list, where that would be too wide."""
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
    """The text in pieces of at most `most` characters: parted between paragraphs, else lines, sentences or words. A block of
    code that is parted is closed and opened again."""
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
    """Where to part a text: the last good place in its second half."""
    window = text[:room]
    for mark in ("\n\n", "\n", ". ", "; ", ", ", " "):
        at = window.rfind(mark)
        if at >= room // 2:
            return at + len(mark)
    return room


def _open_fence(text: str) -> str:
    """The line that opened a block of code which is not closed yet; empty if none is."""
    opened = ""
    for line in text.split("\n"):
        if found := FENCE.match(line):
            opened = "" if opened else f"```{found.group(3)}"
    return opened


def beginning(text: str, most: int) -> str:
    """The first piece of a text, with an ellipsis where more follows."""
    if len(text) <= most:
        return text
    return pieces(text, most - 2)[0] + "\n…"


def ending(text: str, most: int) -> str:
    """The end of a text, from a line's beginning, with every block of code closed: what is being written right now."""
    if len(text) > most:
        tail = text[-most + 8 :]
        opened = _open_fence(text[: len(text) - len(tail)])
        text = f"…\n{opened}\n{tail.partition(chr(10))[2] or tail}" if opened else f"… {tail.partition(chr(10))[2] or tail}"
    return f"{text}\n```" if _open_fence(text) else text


def code(text: str, language: str, most: int) -> str:
    """A block of code of at most `most` characters, cut between lines; nothing in it can end the block."""
    inner = text.replace("```", "`\u200b``")
    room = most - len(language) - 12
    if len(inner) > room:
        inner = inner[: max(inner.rfind("\n", 0, room), 0)] or inner[:room]
        inner += "\n…"
    return f"```{language}\n{inner}\n```"


def lines(*found: str) -> str:
    """Lines, without those that are empty."""
    return "\n".join(_present(found))


def _present(found: Sequence[str]) -> Iterator[str]:
    return (each for each in found if each)
