"""Answers of commands, and their output in each dialect."""

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from bot.rehearsal.dialects import Dialect
from bot.rehearsal.errors import BadUsage, EngineError


@dataclass(frozen=True)
class Answer:
    """Answer of one command."""

    command: str
    fields: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    bare: str | None = None
    """Field that 0.5.8 prints alone, without an object around it."""
    indent: str | int | None = None
    """Indentation of the JSON in 0.5.8."""
    plain: bool = False
    """True for an answer that is text even when JSON was requested."""


def show(answer: Answer, dialect: Dialect, *, as_json: bool) -> int:
    """Print an answer and return the exit code."""
    if not as_json or answer.plain:
        print(answer.text)
    elif not dialect.envelope:
        shown = answer.fields.get(answer.bare) if answer.bare else answer.fields
        if isinstance(shown, str) or answer.indent is None:
            print(shown if isinstance(shown, str) else compact(shown))
        else:
            print(json.dumps(shown, ensure_ascii=False, indent=answer.indent))
    else:
        print(compact({"success": True, "command": answer.command, **answer.fields}))
    return 0


def compact(value: object) -> str:
    """Return JSON as JavaScript writes it, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def show_refusal(refused: EngineError, dialect: Dialect, *, as_json: bool, apart: bool = False) -> int:
    """Print a refusal and return the exit code 1."""
    if isinstance(refused, BadUsage) and not apart:
        print(refused.message, file=sys.stderr)
    elif dialect.envelope and as_json:
        print(compact({"success": False, "command": "ov", "error": refused.message.split("\n")[0]}))
        if isinstance(refused, BadUsage):
            print(refused.message, file=sys.stderr)
    elif dialect.envelope:
        print(f"Error: {refused.message}", file=sys.stderr)
    else:
        label = f"Error [{refused.code}]" if refused.code else "Error"
        print(f"{label}: {refused.message}", file=sys.stderr)
    return 1
