"""Check of the registry file."""

from bot.demo import registry_of
from bot.domain.checks import Check
from bot.domain.errors import FleetError, RegistryError
from bot.registry import Registry, load
from bot.settings import Settings


def check(settings: Settings) -> tuple[Registry | None, list[Check]]:
    """Return the registry, and a check with every problem in its file."""
    path = settings.products
    if not path.exists():
        fix = "Create it with `fleet init`, or set FLEET_PRODUCTS to the path of yours."
        return None, [Check("registry", "fail", f"{settings.products} does not exist.", fix, fatal=True)]
    try:
        path = registry_of(path, settings.state, given="FLEET_PRODUCTS" in settings.given)
        found = load(path)
    except RegistryError as error:
        problems = [str(problem) for problem in error.problems]
        fix = f"Fix {'that line' if len(problems) == 1 else f'these {len(problems)} problems'} in {settings.products}."
        return None, [Check("registry", "fail", "\n".join(problems), fix, fatal=True)]
    except FleetError as error:
        return None, [Check("registry", "fail", error.message, error.hint, fatal=True)]
    if not found.products:
        return found, [Check("registry", "warn", f"{path} lists no product yet.", "Add one; the comments in the file say how.")]
    return found, [Check("registry", "ok", f"{len(found.products)} products in {path}")]
