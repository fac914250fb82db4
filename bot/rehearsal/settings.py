"""Reader of `.overstory/config.yaml`.

It reads the nested mappings, scalars and lists that overstory writes. There is no YAML package here, because the command line
must start fast on the standard library alone.
"""

from pathlib import Path
from typing import Any


def scalar(text: str) -> Any:
    """Return a YAML scalar as a Python value, without quotes and trailing comments."""
    text = text.strip()
    if text[:1] in "\"'" and len(text) > 1 and text[0] in text[1:]:
        return text[1 : text.index(text[0], 1)]
    text = text.split(" #", 1)[0].strip()
    if text in {"", "null", "~"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if text in {"[]", "{}"}:
        return [] if text == "[]" else {}
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parsed(text: str) -> dict[str, Any]:
    """Return the mappings of a config file, without list items and other content that it cannot read."""
    root: dict[str, Any] = {}
    stack: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "-")) or ":" not in stripped:
            continue
        indent = len(line) - len(line.lstrip())
        while indent <= stack[-1][0]:
            stack.pop()
        key, _, value = stripped.partition(":")
        key = key.strip("'\"")
        found = scalar(value)
        if found is None:
            found = {}
            stack[-1][1][key] = found
            stack.append((indent, found))
        else:
            stack[-1][1][key] = found
    return root


def setting(config: dict[str, Any], dotted: str, default: Any) -> Any:
    """Return a setting by its dotted name, or the default if it is missing or of another type."""
    value: Any = config
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return default if value is None or value == {} else value


def read(path: Path) -> dict[str, Any]:
    """Return a config file's settings, empty if there is none."""
    return parsed(path.read_text(encoding="utf-8")) if path.exists() else {}
