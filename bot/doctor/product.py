"""Check of a product's folder, its git repository, and the engine's files in it."""

from pathlib import Path
from typing import Any

from bot.domain import Product
from bot.domain.checks import Check
from bot.supervisor.adoption import records
from bot.text.wording import count


def check_snapshot(snapshot: dict[str, Any]) -> Check:
    """Check a product as its supervisor reports it."""
    name, trouble = str(snapshot["product"]), snapshot.get("trouble")
    if trouble:
        return Check("product", "fail", f"{name}: {trouble['message']}", str(trouble.get("hint", "")))
    if notice := snapshot.get("notice"):
        return Check("product", "warn", f"{name}: {notice['message']}", f"fleet adopt {name}")
    sessions = sum(1 for each in snapshot["sessions"] if each.get("alive"))
    return Check("product", "ok", f"{name}: initialized, {count(sessions, 'session')}")


def check_files(product: Product) -> Check:
    """Check a product by its files, where the supervisor on this machine is not running yet."""
    folder = Path(product.path)
    if not folder.is_dir():
        summary = f"{product.name}: the folder {folder} does not exist."
        return Check("product", "fail", summary, f"Fix the `path` of {product.name} in products.yaml.")
    if not (folder / ".git").exists():
        return Check("product", "fail", f"{product.name}: {folder} is not a git repository.", f"git init {folder}")
    config = folder / ".overstory" / "config.yaml"
    if not config.exists():
        return Check("product", "fail", f"{product.name} is not initialized for the engine.", f"fleet adopt {product.name}")
    import yaml

    try:
        yaml.safe_load(config.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        at = f":{where.line + 1}:{where.column + 1}" if where else ""
        why = getattr(error, "problem", None) or error
        return Check("product", "fail", f"{product.name}: {config}{at} cannot be read: {why}.", f"Fix {config}{at}.")
    if notice := records.notice(config.parent):
        return Check("product", "warn", f"{product.name}: {notice.message}", f"fleet adopt {product.name}")
    return Check("product", "ok", f"{product.name}: initialized")
