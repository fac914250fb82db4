"""Survey of a product's real files, for scouts' reports and for plans."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bot.rehearsal.worktrees import git

LANGUAGES = {
    ".py": "Python",
    ".js": "JavaScript",
    ".ts": "TypeScript",
    ".tsx": "TypeScript",
    ".go": "Go",
    ".rs": "Rust",
    ".rb": "Ruby",
    ".java": "Java",
    ".c": "C",
    ".h": "C",
    ".cpp": "C++",
    ".sh": "Shell",
    ".md": "Markdown",
    ".html": "HTML",
    ".css": "CSS",
    ".sql": "SQL",
    ".yaml": "YAML",
    ".yml": "YAML",
    ".json": "JSON",
    ".toml": "TOML",
    ".txt": "Text",
}
CODE = {".py", ".js", ".ts", ".tsx", ".go", ".rs", ".rb", ".java", ".c", ".h", ".cpp", ".sh"}
MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b[:\s]*(.{0,80})")
SUSPICIOUS = re.compile(
    r"\b(xfail|assert False|NotImplementedError|expected to fail|currently fails|known bug|@skip|pytest\.skip|it\.skip)\b",
    re.IGNORECASE,
)
LARGEST_READ = 200_000
"""Size in bytes above which files are counted, not read."""
MOST_READ = 400
"""Most files to read."""
OWN_FOLDERS = (".overstory/", ".claude/", ".git", "rehearsal/")


@dataclass(frozen=True)
class Survey:
    """Files, languages and findings of a product, from which rehearsed plans and reports are written."""

    files: list[str]
    languages: list[tuple[str, int, int]]
    """Language, files and lines, with the most lines first."""
    largest: list[tuple[str, int]]
    tests: list[str]
    markers: list[str]
    suspicious: list[str]
    headline: str
    last_commits: list[str]

    @property
    def sources(self) -> list[str]:
        """Files that a plan would touch, code first, large files before small ones."""
        names = [name for name, _ in self.largest]
        code = [name for name in names if Path(name).suffix in CODE and name not in self.tests]
        return code + [name for name in names if name not in code]


def is_test(name: str) -> bool:
    """Return True if a path looks like a test."""
    path = Path(name)
    stem = path.stem.lower()
    in_folder = any(part in {"test", "tests", "spec", "__tests__"} for part in path.parts[:-1])
    return path.suffix in CODE and (in_folder or stem.startswith("test_") or stem.endswith(("_test", ".test", ".spec")))


def text_of(path: Path) -> str | None:
    """Return a file's text, None if it is too large, not text or gone."""
    try:
        if path.stat().st_size > LARGEST_READ or path.is_symlink():
            return None
        data = path.read_bytes()
    except OSError:
        return None
    return None if b"\0" in data else data.decode("utf-8", "replace")


def survey(root: Path) -> Survey:
    """Survey the files that git tracks in a checkout."""
    tracked = git(root, "ls-files", "-z").stdout.split("\0")
    files = sorted(name for name in tracked if name and not name.startswith(OWN_FOLDERS))
    lines: Counter[str] = Counter()
    markers, suspicious = [], []
    for name in files[:MOST_READ]:
        text = text_of(root / name)
        if text is None:
            continue
        rows = text.splitlines()
        lines[name] = len(rows)
        if Path(name).suffix not in CODE:
            continue
        for number, row in enumerate(rows, 1):
            if found := MARKERS.search(row):
                markers.append(f"{name}:{number} {found[1]}: {found[2].strip()}".rstrip(": "))
            elif SUSPICIOUS.search(row):
                suspicious.append(f"{name}:{number} {row.strip()[:80]}")
    count: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for name, length in lines.items():
        language = LANGUAGES.get(Path(name).suffix.lower(), "other")
        count[language] += 1
        total[language] += length
    return Survey(
        files=files,
        languages=[(language, count[language], number) for language, number in total.most_common()],
        largest=lines.most_common(),
        tests=[name for name in files if is_test(name)],
        markers=markers,
        suspicious=suspicious,
        headline=_headline(root, files),
        last_commits=git(root, "log", "-5", "--format=%h %s", "--no-merges").stdout.splitlines(),
    )


def _headline(root: Path, files: list[str]) -> str:
    """Return the first words of the README."""
    for name in files:
        if name.lower().startswith("readme"):
            text = text_of(root / name) or ""
            said = [row.strip("# ").strip() for row in text.splitlines() if row.strip("#= -").strip()]
            return ": ".join(said[:2])[:200]
    return ""


def findings(seen: Survey, task: str, asked: str) -> str:
    """Return a scout's report in Markdown."""
    parts = [f"# Findings for {task} (rehearsal)", ""]
    if asked:
        parts += [f"Task: {asked}", ""]
    parts += [f"**{seen.headline or 'No README'}**", "", f"{len(seen.files)} files are tracked."]
    parts += ["", "| language | files | lines |", "| --- | ---: | ---: |"]
    parts += [f"| {name} | {files} | {lines} |" for name, files, lines in seen.languages[:8]]
    parts += ["", "## Largest files", *[f"- `{name}`, {number} lines" for name, number in seen.largest[:5]]]
    tests = ", ".join(f"`{name}`" for name in seen.tests[:6])
    parts += ["", "## Tests", f"- {len(seen.tests)} test files: {tests}" if tests else "- none found"]
    parts += [f"- may fail or be skipped: `{row}`" for row in seen.suspicious[:5]]
    parts += ["", "## TODO and FIXME in the code", *([f"- `{row}`" for row in seen.markers[:8]] or ["- none"])]
    parts += ["", "## Last commits", *[f"- {row}" for row in seen.last_commits]]
    parts += ["", "This is a rehearsal. The files are real, but no model has analyzed them."]
    return "\n".join(parts)
