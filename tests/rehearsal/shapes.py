"""Comparison of answers with `shapes.json`, the keys and types of the real engine's recorded answers."""

import json
from pathlib import Path
from typing import Any

SHAPES: dict[str, Any] = json.loads(Path(__file__).with_name("shapes.json").read_text())
PLAIN: dict[str, type | tuple[type, ...]] = {"text": str, "bool": bool, "number": (int, float)}


def differences(shape: Any, got: Any, where: str = "answer") -> list[str]:
    """Return every place where an answer differs from its shape, including extra keys."""
    if isinstance(shape, str):
        return _named(shape, got, where)
    if isinstance(shape, list):
        if not isinstance(got, list):
            return [f"{where} is no list: {got!r}"]
        return [wrong for place, item in enumerate(got) for wrong in differences(shape[0], item, f"{where}[{place}]")]
    if not isinstance(got, dict):
        return [f"{where} is no object: {got!r}"]
    known = {key.removesuffix("?"): (key, inner) for key, inner in shape.items()}
    found = [f"{where}.{key} is too much" for key in got if key not in known]
    for name, (key, inner) in known.items():
        if name in got:
            found += differences(inner, got[name], f"{where}.{name}")
        elif not key.endswith("?"):
            found.append(f"{where}.{name} is missing")
    return found


def _named(shape: str, got: Any, where: str) -> list[str]:
    name = shape.removesuffix("?")
    if shape == "*" or (got is None and shape.endswith("?")):
        return []
    if name not in PLAIN:
        return differences(SHAPES["types"][name], got, where)
    right = isinstance(got, PLAIN[name]) and isinstance(got, bool) == (name == "bool")
    return [] if right else [f"{where} is not {shape}: {got!r}"]
