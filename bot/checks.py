"""What `fleet doctor` looks at on this machine: each a function that returns what it found and never fails as a whole."""

import errno
import json
import os
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bot import remote
from bot.errors import FleetError, RegistryError, SettingsError

if TYPE_CHECKING:
    from bot.registry import Registry
    from bot.settings import Settings

Status = Literal["ok", "warn", "fail"]
ROOM = (200 * 2**20, 2**30)
"""Bytes of free disk below which starting is useless, and below which it is worth a word."""
SHORT = 16
"""Characters of a web token below which it can be guessed."""
REFUSED = {
    errno.ENOTDIR: "a file stands where its folder should be",
    errno.EEXIST: "a file stands where the folder should be",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "the folder is protected against changes (immutable)",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
}
"""Why a file could not be written, by error number."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `warn` is worth a word, `fail` a cure; `fatal`: nothing can start before it is cured."""

    name: str
    status: Status
    message: str
    cure: str = ""
    fatal: bool = False


def python() -> list[Check]:
    """Python and the packages that this program asks for, and git."""
    said = ".".join(map(str, sys.version_info[:3]))
    missing = []
    for wanted in metadata.requires("meta-coordinator") or ():
        name = wanted.split(";")[0].split("[")[0].rstrip("<>=!~ .0123456789,")
        try:
            _ = "extra ==" in wanted or metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        said = f"These packages are missing: {', '.join(missing)}."
        return [Check("python", "fail", said, "Run `make install`, or pip install meta-coordinator again.", fatal=True)]
    checks = [Check("python", "ok", f"{said}, meta-coordinator {metadata.version('meta-coordinator')}")]
    if shutil.which("git") is None:
        checks.append(Check("git", "fail", "git is not installed; products are git repositories.", "Install git."))
    return checks


def settings(environ: Mapping[str, str], directory: Path) -> tuple["Settings", list[Check]]:
    """The settings, as far as they can be read, and what is wrong with the rest."""
    from bot.settings import VARIABLES, Settings, read_env_file

    try:
        found = Settings.load(environ, directory)
        wrong = []
    except SettingsError as error:
        wrong = [Check("settings", "fail", line, error.hint, fatal=True) for line in error.message.splitlines()]
        try:
            texts = {**read_env_file(directory / ".env"), **environ}
        except SettingsError:
            texts = dict(environ)
        good = {each.name: texts[each.name] for each in VARIABLES if each.name in texts and _reads(each.name, texts)}
        found = Settings.load(good, directory / "nowhere")
    found = replace(found, state=directory / found.state, products=directory / found.products)
    unknown = [Check("settings", "warn", words, "Correct its name, or remove it.") for words in found.unknown]
    given = ", ".join(sorted(found.given)) or "none set; every one has a default"
    return found, [*wrong, *unknown] or [Check("settings", "ok", given)]


def _reads(name: str, texts: Mapping[str, str]) -> bool:
    from bot.settings import Settings

    try:
        Settings.load({name: texts[name]}, Path("/nonexistent"))
    except SettingsError:
        return False
    return True


def registry(settings: "Settings") -> tuple["Registry | None", list[Check]]:
    """The registry file and every problem in it."""
    from bot.init import registry_of
    from bot.registry import load

    path = settings.products
    if not path.exists():
        cure = "Write one with `fleet init`, or set FLEET_PRODUCTS to yours."
        return None, [Check("registry", "fail", f"There is no {settings.products}.", cure, fatal=True)]
    try:
        path = registry_of(path, settings.state, given="FLEET_PRODUCTS" in settings.given)
        found = load(path)
    except RegistryError as error:
        problems = [str(problem) for problem in error.problems]
        cure = f"Correct {'that line' if len(problems) == 1 else f'these {len(problems)} places'} in {settings.products}."
        return None, [Check("registry", "fail", "\n".join(problems), cure, fatal=True)]
    except FleetError as error:
        return None, [Check("registry", "fail", error.message, error.hint, fatal=True)]
    if not found.products:
        return found, [Check("registry", "warn", f"{path} lists no product yet.", "Add one; the comments in the file say how.")]
    return found, [Check("registry", "ok", f"{len(found.products)} products in {path}")]


def state(folder: Path) -> list[Check]:
    """The state folder: there, writable (found out by writing), private, with room."""
    if not folder.exists() and not folder.is_symlink():
        problem = _unwritable(_nearest(folder))
        if problem:
            said = f"{folder} cannot be made: {problem}."
            return [Check("state", "fail", said, "Set FLEET_STATE to a folder that you may write.", fatal=True)]
        return [Check("state", "ok", f"{folder} is made at the first start")]
    if problem := _unwritable(folder):
        cure = "Make it writable for this user, or set FLEET_STATE to another folder."
        return [Check("state", "fail", f"{folder} cannot be written: {problem}.", cure, fatal=True)]
    free = shutil.disk_usage(folder).free
    if free < ROOM[1]:
        status: Status = "fail" if free < ROOM[0] else "warn"
        said = f"{folder} has {free // 2**20} MiB of disk left."
        return [Check("state", status, said, "Make room on that disk.", fatal=status == "fail")]
    if loose := [path for path in private_files(folder) if stat.S_IMODE(path.stat().st_mode) & 0o077]:
        names = ", ".join(path.name for path in loose)
        return [
            Check("state", "warn", f"Others on this machine can read {names} in {folder}.", "`fleet doctor --fix` closes it.")
        ]
    return [Check("state", "ok", f"{folder}, {free / 2**30:.0f} GiB free")]


def private_files(folder: Path) -> list[Path]:
    """What is nobody else's business: the state folder, and the token in it."""
    files = [folder / name for name in ("web-token", "bot.json")]
    return [path for path in (folder, *files) if path.exists()]


def _nearest(folder: Path) -> Path:
    return next(parent for parent in folder.absolute().parents if parent.exists())


def _unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder; empty if it can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            return ""
    except OSError as error:
        return REFUSED.get(error.errno or 0, error.strerror or str(error))


def store(folder: Path) -> list[Check]:
    """The store: whether it opens, is whole, takes writes, and is of a version that this program knows."""
    from bot.store.migrations import MIGRATIONS

    path = folder / "fleet.db"
    if not path.exists():
        return [Check("store", "ok", f"{path} is made at the first start")]
    cure = "Restore a copy of it, or move it away to begin anew."
    try:
        with closing(sqlite3.connect(path, timeout=3, isolation_level=None)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            whole = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return [Check("store", "warn", f"{path} is locked by another process.", "Wait a moment, and look again.")]
        said = f"{path} cannot be written: {error}."
        return [Check("store", "fail", said, "Make the file and its folder writable for this user.", fatal=True)]
    except sqlite3.DatabaseError as error:
        return [Check("store", "fail", f"{path} is no store, or damaged: {error}.", cure, fatal=True)]
    if whole != "ok":
        return [Check("store", "fail", f"{path} is damaged: {whole}.", cure, fatal=True)]
    if version > len(MIGRATIONS):
        said = f"{path} is of a newer version: schema {version}, this program knows {len(MIGRATIONS)}."
        return [Check("store", "fail", said, "Upgrade meta-coordinator, or set FLEET_STATE elsewhere.", fatal=True)]
    size = path.stat().st_size / 2**20
    return [Check("store", "ok", f"schema {version} of {len(MIGRATIONS)}, {size:.1f} MiB")]


def bot(folder: Path) -> tuple["remote.Remote | None", list[Check]]:
    """The coordinator that runs on the state folder, if any; and traces of one that does not any more."""
    path = folder / "bot.json"
    if not path.exists():
        return None, [Check("bot", "ok", "not running")]
    try:
        pid = int(json.loads(path.read_text())["pid"])
        found = remote.find(folder)
    except FleetError as error:
        return None, [Check("bot", "fail", error.message, error.hint)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, [Check("bot", "warn", f"{path} cannot be read: {error}.", "`fleet doctor --fix` removes it.")]
    if found is None:
        said = f"{path} is left over from process {pid}, which has ended."
        return None, [Check("bot", "warn", said, "`fleet doctor --fix` removes it; starting does too.")]
    return found, [Check("bot", "ok", f"running at {found.url} (process {found.pid})")]


def ports(settings: "Settings", running: "remote.Remote | None") -> list[Check]:
    """Whether the page and the gateway can listen."""
    wanted = {"page": ("FLEET_WEB_PORT", settings.web_port), "gateway": ("FLEET_GATEWAY_PORT", settings.gateway_port)}
    if running is not None:
        return [Check("ports", "ok", "held by the coordinator that runs")]
    checks = []
    for name, (variable, port) in wanted.items():
        if why := _taken(settings.web_host, port):
            cure = f"Stop what listens there, or set {variable} to another port (0: any free one)."
            checks.append(Check("ports", "fail", f"The {name}'s port {port} on {settings.web_host}: {why}.", cure, fatal=True))
    free = ", ".join(str(port) for _, port in wanted.values())
    return checks or [Check("ports", "ok", f"{free} on {settings.web_host} are free")]


def _taken(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return "taken" + _by(port) if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    return ""


def _by(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    import psutil

    try:
        holders = [each for each in psutil.net_connections("tcp") if each.laddr and each.laddr[1] == port and each.pid]
        return f" by {psutil.Process(holders[0].pid).name()} (process {holders[0].pid})" if holders else ""
    except psutil.Error:
        return ""


def token(settings: "Settings", folder: Path) -> list[Check]:
    """The web token: whether it can be guessed."""
    if settings.web_token is None:
        kept = folder / "web-token"
        return [Check("token", "ok", f"kept in {kept}" if kept.exists() else "made at the first start")]
    text = settings.web_token.get_secret_value()
    if len(text) < SHORT or len(set(text)) < 6:
        said = f"FLEET_WEB_TOKEN is easy to guess: {len(text)} characters, {len(set(text))} different."
        cure = "Leave it out, then one is made; or use the output of: openssl rand -base64 24"
        return [Check("token", "warn", said, cure)]
    return [Check("token", "ok", "FLEET_WEB_TOKEN")]


def claude(settings: "Settings", *, online: bool) -> list[Check]:
    """The key for Claude: its shape, and with `online` whether it is taken. Counting tokens costs nothing."""
    key, base = settings.anthropic_api_key, settings.anthropic_base_url
    if key is None:
        return [Check("claude", "ok", "off: set ANTHROPIC_API_KEY to talk in plain words; commands work")]
    text = key.get_secret_value()
    if base is None and not text.startswith("sk-ant-"):
        said = f"ANTHROPIC_API_KEY is no Anthropic key: it has {len(text)} characters and does not begin with sk-ant-."
        return [Check("claude", "fail", said, "Copy the whole key from console.anthropic.com, without quotes.")]
    if base is None and not online:
        return [Check("claude", "ok", "the key has the right shape; `fleet doctor --online` tries it")]
    return [_asked(base or "https://api.anthropic.com", text if online else "")]


def _asked(base: str, key: str) -> Check:
    """Whether the Messages API answers there, and takes the key if one is handed in."""
    body = json.dumps({"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    request = urllib.request.Request(f"{base}/v1/messages/count_tokens", body, headers)  # noqa: S310  settings allow http(s)
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return Check("claude", "ok", f"{base} answers and takes the key")
    except urllib.error.HTTPError as error:
        error.close()
        if key and error.code in {401, 403}:
            return Check("claude", "fail", f"{base} rejects ANTHROPIC_API_KEY ({error.code}).", "Make a new key, and set it.")
        return Check("claude", "ok", f"{base} answers" + ("" if key else "; `fleet doctor --online` tries the key"))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        name = "ANTHROPIC_BASE_URL" if "anthropic.com" not in base else "the network, or ANTHROPIC_BASE_URL"
        return Check("claude", "fail", f"{base} cannot be reached: {why}.", f"See that it runs; mend {name}.")


def platforms(settings: "Settings") -> list[Check]:
    """Which chat platforms have their tokens."""
    slack = [name for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN") if name not in settings.given]
    checks = [Check("slack", "ok", f"off: no {' and no '.join(slack)}" if slack else "tokens are set")]
    if len(slack) == 1:
        checks = [Check("slack", "warn", f"Slack needs both tokens; {slack[0]} is missing.", f"Set {slack[0]}.")]
    discord = "tokens are set" if settings.discord_token else "off: no DISCORD_TOKEN"
    return [*checks, Check("discord", "ok", discord)]


def clock(folder: Path) -> list[Check]:
    """Whether the clock goes backwards, which would upset schedules, reminders and the journal."""
    import time

    path = folder / "fleet.db"
    ahead = (path.stat().st_mtime - time.time()) / 60 if path.exists() else 0
    if ahead > 5:
        said = f"The clock says {time.strftime('%Y-%m-%d %H:%M')}; the store was written {ahead:.0f} minutes after that."
        return [Check("clock", "warn", said, "Set the clock, or have it set by NTP.")]
    return [Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M %Z"))]


def mend(folder: Path) -> list[str]:
    """Do what is safe: make the state folder, close it to others, remove what a bot that has ended left behind."""
    done = []
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        done.append(f"made {folder}")
    for path in private_files(folder):
        mode = 0o700 if path.is_dir() else 0o600
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(mode)
            done.append(f"closed {path} to others (mode {mode:o})")
    left = folder / "bot.json"
    if left.exists() and bot(folder)[1][0].status == "warn":
        left.unlink()
        done.append(f"removed {left}")
    end = folder / "runtime" / "supervisor.sock"
    if end.is_socket() and not _answers(end):
        end.unlink()
        done.append(f"removed {end}, on which nobody answered")
    return done


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
