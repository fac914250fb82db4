"""Check of the environment variables and `.env`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bot.domain.checks import Check
from bot.domain.errors import SettingsError
from bot.settings import VARIABLES, Settings, read_env_file


def check(environ: Mapping[str, str], directory: Path) -> tuple[Settings, list[Check]]:
    """Return the settings as far as they can be read, and a check for each invalid or unknown variable."""
    try:
        found = Settings.load(environ, directory)
        wrong = []
    except SettingsError as error:
        wrong = [Check("settings", "fail", line, error.hint, fatal=True) for line in error.message.splitlines()]
        try:
            texts = {**read_env_file(directory / ".env"), **environ}
        except SettingsError:
            texts = dict(environ)
        good = {each.name: texts[each.name] for each in VARIABLES if each.name in texts and _valid(each.name, texts)}
        found = Settings.load(good, directory / "nowhere")
    found = replace(found, state=directory / found.state, products=directory / found.products)
    unknown = [Check("settings", "warn", words, "Correct its name, or remove it.") for words in found.unknown]
    given = ", ".join(sorted(found.given)) or "none set; every variable has a default"
    return found, [*wrong, *unknown] or [Check("settings", "ok", given)]


def _valid(name: str, texts: Mapping[str, str]) -> bool:
    try:
        Settings.load({name: texts[name]}, Path("/nonexistent"))
    except SettingsError:
        return False
    return True
