"""Sizes, import cycles, broad handlers and patches."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import grimp

from tests.voice.source import ROOT, Finding, Source

LONGEST_FUNCTION = 60
LONGEST_FILE = 300
BROAD = {"Exception", "BaseException"}
CATCH_ALL = {
    "bot/conversation/router.py": "an inbound event",
    "bot/chat/web/receive.py": "an inbound event",
    "bot/chat/web/errors.py": "an inbound event",
    "bot/engine/supervised.py": "an inbound event",
    "bot/supervisor/connection.py": "an inbound event",
    "bot/chat/discord/connection.py": "a job",
    "bot/jobs/engine_events.py": "an inbound event",
    "bot/jobs/loop.py": "a job",
    "bot/supervisor/background.py": "a job",
    "bot/doctor/__init__.py": "a job",
}
"""Modules that may catch everything, with the boundary they guard (one event, or one run of a job)."""
STREAMS = ("stdin", "stdout", "stderr")
"""Attributes of `sys` that a test may replace, because contextlib cannot redirect standard input."""
PATCHES = re.compile(r"\bMagicMock\b|\bunittest\.mock\b|\bmock\.patch\b|\bmonkeypatch\.(setattr|delattr|setitem)\b")


def long_functions(sources: list[Source]) -> list[Finding]:
    """Find functions of more than `LONGEST_FUNCTION` lines."""
    return [
        Finding(source.at(node), f"{node.name} has {lines} lines")
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def long_files(sources: list[Source]) -> list[Finding]:
    """Find files of more than `LONGEST_FILE` lines."""
    sizes = [(source, source.text.count("\n")) for source in sources]
    return [Finding(source.name, f"{lines} lines") for source, lines in sizes if lines > LONGEST_FILE]


def loose_modules(sources: list[Source]) -> list[Finding]:
    """Find modules that lie directly in `bot`."""
    return [Finding(each.name, "") for each in sources if each.path.parent == ROOT / "bot" and each.path.stem != "__init__"]


def broad_handlers(sources: list[Source]) -> list[Finding]:
    """Find handlers that catch everything and do not raise again, outside `CATCH_ALL`."""
    return [
        Finding(source.at(node), "catches everything")
        for source in sources
        if source.name not in CATCH_ALL
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _raises(node)
    ]


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in BROAD) for kind in kinds)


def _raises(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def cycles() -> list[Finding]:
    """Find the modules that import each other, in type checking blocks and functions too."""
    graph = grimp.build_graph("bot", "skills", exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    packages: dict[str, set[str]] = {}
    for module, imported in imports.items():
        packages.setdefault(_package(module), set()).update(_package(each) for each in imported)
    packages = {package: imported - {package} for package, imported in packages.items()}
    return [Finding(" → ".join(cycle), "import each other") for found in (imports, packages) if (cycle := _cycle(found))]


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2]) if module.startswith("bot.") else module.split(".")[0]


def _cycle(imports: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def patches(sources: list[Source]) -> list[Finding]:
    """Find tests that replace a part of a module they do not own."""
    return [finding for source in sources for check in (_called, _assigned) for finding in check(source)]


def _called(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if (found := PATCHES.search(line)) and source.path.parent.name != "voice":
            yield Finding(f"{source.name}:{number}", found[0])


def _assigned(source: Source) -> Iterator[Finding]:
    modules = set(_module_names(source))
    for node in ast.walk(source.tree):
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        for target in targets:
            if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
                continue
            module, name = target.value.id, target.attr
            if module in modules and not (module == "sys" and name in STREAMS):
                yield Finding(source.at(node), f"assigns to {module}.{name}")


def _module_names(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (each.asname or each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            folder = ROOT.joinpath(*node.module.split("."))
            yield from (
                each.asname or each.name
                for each in node.names
                if (folder / f"{each.name}.py").exists() or (folder / each.name).is_dir()
            )
