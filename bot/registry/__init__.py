"""`products.yaml` → `Registry`: what the fleet consists of, who may do what, and within which limits.

`load` reads a file and raises `RegistryError` with every problem in it. `RegistryFile` follows a file while the fleet runs: a
good change is taken up, a broken one keeps the last good registry and is kept as `problems`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath

from bot.domain import Approvals, Budget, ChannelRef, Person, Product
from bot.domain.errors import NotFound, Problem, RegistryError
from bot.registry.checks import check, check_paths
from bot.registry.schema import (
    PRIORITIES,
    AgentLimits,
    AuditSection,
    Digest,
    ProductSection,
    QuietHours,
    RegistrySection,
    ResourceBudget,
    Runtime,
    Schedule,
    Scheduling,
    absolute,
    spoken,
)
from bot.registry.yamlfile import Document, read
from bot.registry.yamlmodel import suggestion, validate

__all__ = [
    "PRIORITIES",
    "AgentLimits",
    "Digest",
    "QuietHours",
    "Registry",
    "RegistryFile",
    "ResourceBudget",
    "Runtime",
    "Schedule",
    "Scheduling",
    "load",
    "parse",
]


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry as it was when it was loaded; nothing in it ever changes."""

    products: tuple[Product, ...]
    """In the order of the file; approvals are those of the fleet with the product's own laid over them."""
    file: Path
    loaded_at: datetime
    scheduling: Scheduling = field(default_factory=Scheduling)
    people: tuple[Person, ...] = ()
    """Empty: the holder of the web token alone is admin, and chat platforms admit nobody."""
    approvals: Approvals = field(default_factory=Approvals)
    """For every product that says nothing else."""
    budget: Budget = field(default_factory=Budget)
    """Of all products together."""
    runtimes: tuple[Runtime, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    digest: Digest | None = None
    quiet_hours: QuietHours | None = None
    audit: AuditSection = field(default_factory=AuditSection)
    agent: AgentLimits = field(default_factory=AgentLimits)
    by_name: Mapping[str, Product] = field(init=False, repr=False, compare=False)
    """The products, in the same order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {product.name: product for product in self.products})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all products."""
        return tuple(product.name for product in self.products)

    @property
    def default_runtime(self) -> str:
        """Name of the runtime of products that name none: the first of `runtimes`, or nothing."""
        return self.runtimes[0].name if self.runtimes else ""

    @property
    def timezone(self) -> str:
        """The zone in which people say times where they name none: that of `quiet_hours`, else UTC."""
        return self.quiet_hours.timezone if self.quiet_hours else "UTC"

    def loud(self, when: datetime) -> datetime:
        """The first instant from `when` on that does not lie in quiet hours."""
        return self.quiet_hours.over(when) if self.quiet_hours else when

    def product(self, name: str) -> Product:
        """The product that a person means: `product-a`, `Product A`, `PRODUCT_A`. Raises `NotFound` with the nearest name."""
        wanted = spoken(name)
        for product in self.products:
            if spoken(product.name) == wanted:
                return product
        listed = f" There are: {', '.join(self.names[:12])}." if self.products else " The registry lists none yet."
        raise NotFound(f'There is no product "{name[:64]}".', suggestion(name, self.names, listed).strip())

    def at(self, path: str, type: str = "code") -> Product:
        """The product in an absolute folder, under this machine's name of it or the runtime's. One that is not listed is
        called like its folder."""
        first = self.runtimes[0] if self.runtimes else None
        inside = first.inside(path, self.file.absolute().parent) if first else path
        known = next((product for product in self.products if product.path in {path, inside}), None)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(path).name).lstrip("._-")[:64] or "product"
        return known or Product(name, inside, type=type, runtime=first.name if first else None)

    def channel(self, channel: ChannelRef) -> Product | None:
        """The product that is talked about in a channel."""
        return next((product for product in self.products if channel in product.channels), None)

    def person(self, platform: str, known: str) -> Person | None:
        """Who goes by this id on a platform."""
        return next((person for person in self.people if person.ids.get(platform) == known), None)

    def runtime(self, name: str) -> Runtime | None:
        """The runtime of this name."""
        return next((runtime for runtime in self.runtimes if runtime.name == name), None)


def load(path: Path | str, *, check_paths: bool = False, now: datetime | None = None) -> Registry:
    """Read a registry file. `check_paths` also looks for the products' folders on this machine. Raises `RegistryError`."""
    return parse(_text(Path(path)), Path(path), check_paths=check_paths, now=now)


def parse(text: str, path: Path, *, check_paths: bool = False, now: datetime | None = None) -> Registry:
    """Read the text of a registry file; `path` names it and is where relative paths begin. Raises `RegistryError`."""
    document = read(text, str(path))
    base = path.absolute().parent
    file = _sections(document, base, check_paths)
    if document.problems:
        raise RegistryError(document.sorted_problems())
    common = file.approvals.over(Approvals())
    return Registry(
        products=tuple(_product(section, file, document, base, common) for section in file.products),
        file=path,
        loaded_at=now or datetime.now(UTC),
        scheduling=file.scheduling,
        people=tuple(section.value() for section in file.people),
        approvals=common,
        budget=file.budget.value(),
        runtimes=file.runtimes,
        schedules=file.schedules,
        digest=file.digest,
        quiet_hours=file.quiet_hours,
        audit=file.audit,
        agent=file.agent,
    )


def _text(path: Path) -> str:
    def refuse(message: str) -> RegistryError:
        return RegistryError([Problem(str(path), 1, 1, message)])

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise refuse("There is no such file. fleet init writes a commented one.") from None
    except OSError as error:
        raise refuse(f"The file cannot be read: {error.strerror}.") from None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"Byte 0x{content[error.start]:02X} is not UTF-8. Save the file as UTF-8."
        raise RegistryError([Problem(str(path), line, column, message)]) from None


def _sections(document: Document, base: Path, look: bool) -> RegistrySection:
    """The document as sections; all that is wrong with it is among its problems."""
    if document.problems and document.value is None:
        return RegistrySection()
    if document.value is None:
        document.problem((), "The file is empty. fleet init writes a commented one.")
        return RegistrySection()
    file = validate(RegistrySection, document)
    if isinstance(document.value, dict) and "products" not in document.value:
        document.problem((), "products is missing. An empty list is fine: products: []")
    check(document, file)
    if look:
        check_paths(document, file, base)
    return file


def _product(section: ProductSection, file: RegistrySection, document: Document, base: Path, common: Approvals) -> Product:
    name = section.runtime or (file.runtimes[0].name if file.runtimes else None)
    runtime = next((each for each in file.runtimes if each.name == name), None)
    path = absolute(section.path, base)
    return Product(
        name=section.name,
        path=runtime.inside(path, base) if runtime else path,
        type=section.type,
        overstory=section.overstory,
        priority=section.priority,
        resource_weight=section.resource_weight,
        channels=section.channels,
        runtime=name,
        budget=section.budget.value() if section.budget else Budget(),
        approvals=section.approvals.over(common) if section.approvals else common,
        line=document.line(section.at),
    )


class RegistryFile:
    """Follows a registry file: `current` is the last good registry, `problems` what is wrong with the file now.

    `reload` looks at the file; call it every second or two (it costs one `stat` while nothing changes). Raises
    `RegistryError` when made of a file that is broken from the start.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        on_change: Callable[["RegistryFile"], None] = lambda file: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = Path(path)
        self.on_change = on_change
        """Called after `current` or `problems` has changed."""
        self.problems: tuple[Problem, ...] = ()
        self.since: datetime | None = None
        """Since when there have been problems; None while there are none."""
        self._clock = clock
        self._seen = self._look()
        self._missing = False
        self.current = load(self.path, now=clock())

    def reload(self) -> bool:
        """Take up what has changed in the file. Whether `current` is another registry than before."""
        look = self._look()
        if look == self._seen:
            return False
        if look is None and not self._missing:
            self._missing = True  # An editor that replaces the file leaves it away for a moment: believed at the second look.
            return False
        self._missing, self._seen = False, look
        try:
            fresh = load(self.path, now=self._clock())
        except RegistryError as error:
            self._broken(tuple(error.problems))
            return False
        if self._look() != look:
            self._seen = ()  # It was written while we read: what we have may be half of it.
            return False
        self._mended(fresh)
        return True

    def _look(self) -> tuple[int, ...] | None:
        """What tells two versions of the file apart, without reading it."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_dev

    def _broken(self, problems: tuple[Problem, ...]) -> None:
        self.since = self.since or self._clock()
        changed, self.problems = problems != self.problems, problems
        if changed:
            self.on_change(self)

    def _mended(self, fresh: Registry) -> None:
        self.problems, self.since, self.current = (), None, fresh
        self.on_change(self)
