"""Markdown and tables for a terminal, in colour on a screen and plain when piped.

Nothing is printed here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.commands.skill import Skill
    from bot.doctor import Findings
    from bot.report import Report

GAP = "  "


@dataclass(frozen=True, slots=True)
class Screen:
    """Colour and width in columns of the output."""

    colour: bool = False
    width: int = 100

    def result(self, result: Mapping[str, Any]) -> str:
        """Render a skill's result, with its table instead of its list where it has one."""
        text, table = spoken(str(result.get("text", ""))), result.get("table")
        if not table or not table["rows"]:
            return self.markdown(text)
        before, after = _around_list(text)
        parts = [self.markdown(before), self.table(table["columns"], table["rows"]), self.markdown(after)]
        return "\n\n".join(part for part in parts if part)

    def markdown(self, text: str) -> str:
        """Render Markdown."""
        if not self.colour or not text:
            return plain(text)
        from rich.markdown import Markdown

        return self._rich(Markdown(text, code_theme="ansi_dark"))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Render rows under their titles, without empty columns."""
        used = [at for at in range(len(columns)) if any(row[at] for row in rows)]
        columns, rows = [columns[at] for at in used], [[_one_line(row[at]) for at in used] for row in rows]
        if not self.colour:
            return _columns([[title.upper() for title in columns], *rows])
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for title in columns:
            table.add_column(title, overflow="fold" if title in {"path", "mail"} else "ellipsis", max_width=60)
        for row in rows:
            table.add_row(*map(Text, row))
        return self._rich(table)

    def rest(self, answer: Mapping[str, Any]) -> str:
        """Render what a turn said beyond the streamed text, and the commands that it suggests."""
        streamed = str(answer.get("streamed", "")).strip()
        parts = [""] if streamed else []
        for reply in answer["replies"]:
            if (text := str(reply["text"]).strip()) and text not in streamed:
                parts.append(self.markdown(spoken(text)))
            parts += [self.dim(f"→ {spoken(each['command'])}") for each in reply["suggestions"] if each["command"] not in text]
        return "\n".join(parts)

    def report(self, report: "Report") -> str:
        """Render the start-up report of `fleet up`."""
        lines = [self.bold(f"meta-coordinator {report.version}")]
        lines += [f"  {line.name:<10} {line.words if line.on else self.dim(_off(line.words))}" for line in report.lines]
        lines += [f"  {'page':<10} {report.url}", f"ready in {report.seconds:.1f} s"]
        return "\n".join(lines)

    def overview(self, base: Mapping[str, str], skills: "Sequence[Skill]") -> str:
        """Render the list of commands, one per line."""
        width = max(len(name) for name in [*base, *(skill.name for skill in skills)]) + 2
        groups = {
            "Setup": list(base.items()),
            "Read": [(skill.name, skill.summary) for skill in skills if skill.reads and skill.name not in base],
            "Change": [(skill.name, skill.summary) for skill in skills if not skill.reads and skill.name not in base],
        }
        lines = ["Usage: fleet COMMAND …", "", "Runs coding, marketing and support agents across all your repositories."]
        for title, rows in groups.items():
            lines += ["", self.bold(title), *(f"  fleet {name:<{width}}{words}" for name, words in rows)]
        lines += [
            "",
            "fleet COMMAND --help shows its usage, --json prints one JSON document, fleet --version prints the version.",
        ]
        return "\n".join(lines)

    def findings(self, found: "Findings") -> str:
        """Render the findings of `fleet doctor`, each warning or failure with its fix."""
        marks = {"ok": ("✔", "32"), "warn": ("!", "33"), "fail": ("✖", "31")}
        lines = []
        for each in found.checks:
            mark, colour = marks[each.status]
            lines.append(f"{self._in(mark, colour)} {each.name:<12} {each.message}".replace("\n", "\n" + " " * 15))
            if each.fix and each.status in {"warn", "fail"}:
                lines.append(f"{' ' * 15}{self.dim(spoken(each.fix))}")
        lines += ["", *(f"fixed: {each}" for each in found.fixed), found.summary]
        return "\n".join(lines)

    def error(self, message: str, hint: str = "") -> str:
        """Render an error and its hint."""
        return "\n".join([self._in(plain(spoken(message)), "31"), *([plain(spoken(hint))] if hint else [])])

    def dim(self, text: str) -> str:
        """Render secondary text."""
        return self._in(text, "2")

    def bold(self, text: str) -> str:
        """Render a title."""
        return self._in(text, "1")

    def _in(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text

    def _rich(self, what: Any) -> str:
        import io

        import rich.console
        import rich.theme

        out = io.StringIO()
        theme = rich.theme.Theme({"markdown.code": "cyan", "markdown.item.bullet": "dim"})
        rich.console.Console(file=out, force_terminal=True, width=self.width, highlight=False, theme=theme).print(what)
        return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def screen(*, terminal: bool, environ: Mapping[str, str]) -> Screen:
    """Return the properties of a stream. `NO_COLOR` and `TERM=dumb` turn colour off."""
    colour = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Screen(colour, min(get_terminal_size((100, 24)).columns, 160))


def spoken(text: str) -> str:
    """Write commands as they are typed in a shell, such as `fleet status` for `/fleet status`."""
    return re.sub(r"(?<![\w/])/fleet(?=[ `])", "fleet", text)


def _off(words: str) -> str:
    return words if words.startswith("off") else f"off: {words}"


def plain(text: str) -> str:
    """Remove Markdown's marks of emphasis and inline code.

    Code blocks and everything else stay as they are."""
    lines, inside = [], ""
    for line in text.split("\n"):
        fence = re.match(r"\s*(`{3,}|~{3,})", line)
        ends = inside and fence and fence[1].startswith(inside) and line.strip() == fence[1]
        if fence and (ends or not inside):
            inside = "" if ends else fence[1]
        else:
            lines.append(line if inside else re.sub(r"\*\*(.+?)\*\*|`([^`]+)`", r"\1\2", line))
    return "\n".join(lines).strip("\n")


def _around_list(text: str) -> tuple[str, str]:
    """Return the text before a list and after it. Warnings in the list stay."""
    lines = text.split("\n")
    listed = [at for at, line in enumerate(lines) if line.startswith("- ") and not line.startswith("- ⚠")]
    if not listed:
        return text, ""
    return "\n".join(lines[: listed[0]]).strip(), "\n".join(lines[listed[-1] + 1 :]).strip()


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _one_line(cell: str) -> str:
    return " ".join(plain(str(cell)).split())
