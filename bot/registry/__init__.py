"""The registry of products, people and limits, loaded from `products.yaml`.

`load` reads a file and raises `RegistryError` with every problem in it. `RegistryFile` watches a file while the fleet runs. It
loads valid changes, and keeps the last valid registry and a list of `problems` otherwise.
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
    Digest,
    ProductSection,
    QuietHours,
    RegistrySection,
    ResourceBudget,
    RetentionSection,
    Runtime,
    Schedule,
    Scheduling,
    absolute,
    normalized,
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
    """An immutable registry."""

    products: tuple[Product, ...]
    """Products in the order of the file, with the fleet's approval rules applied."""
    file: Path
    loaded_at: datetime
    scheduling: Scheduling = field(default_factory=Scheduling)
    people: tuple[Person, ...] = ()
    """People of the fleet. If empty, the web token gives the admin role and chat platforms admit no one."""
    approvals: Approvals = field(default_factory=Approvals)
    """Rules of the fleet, which products can override."""
    budget: Budget = field(default_factory=Budget)
    """Budget of all products together."""
    runtimes: tuple[Runtime, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    digest: Digest | None = None
    quiet_hours: QuietHours | None = None
    retention: RetentionSection = field(default_factory=RetentionSection)
    agent: AgentLimits = field(default_factory=AgentLimits)
    by_name: Mapping[str, Product] = field(init=False, repr=False, compare=False)
    """Products by name, in the same order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {product.name: product for product in self.products})

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all products."""
        return tuple(product.name for product in self.products)

    @property
    def default_runtime(self) -> str:
        """Return the name of the first runtime, which products without `runtime` use, or an empty string."""
        return self.runtimes[0].name if self.runtimes else ""

    @property
    def timezone(self) -> str:
        """Return the time zone of times that people write, which is that of `quiet_hours`, else UTC."""
        return self.quiet_hours.timezone if self.quiet_hours else "UTC"

    def after_quiet_hours(self, when: datetime) -> datetime:
        """Return the first time from `when` on that is outside quiet hours."""
        return self.quiet_hours.first_allowed(when) if self.quiet_hours else when

    def product(self, name: str) -> Product:
        """Return the product by name, spelled as `product-a`, `Product A` or `PRODUCT_A`.

        Raises `NotFound` with the nearest name.
        """
        wanted = normalized(name)
        for product in self.products:
            if normalized(product.name) == wanted:
                return product
        known = f"Products: {', '.join(self.names[:12])}." if self.products else f"Add it under `products` in {self.file.name}."
        raise NotFound(f"There is no product “{name[:64]}”.", suggestion(name, self.names, known).strip())

    def at(self, path: str, type: str = "code") -> Product:
        """Return the product in a folder, given as an absolute path on this machine or in the runtime.

        A folder that is not in the registry becomes a product named after it.
        """
        first = self.runtimes[0] if self.runtimes else None
        inside = first.inside(path, self.file.absolute().parent) if first else path
        known = next((product for product in self.products if product.path in {path, inside}), None)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(path).name).lstrip("._-")[:64] or "product"
        return known or Product(name, inside, type=type, runtime=first.name if first else None)

    def channel(self, channel: ChannelRef) -> Product | None:
        """Return the product of a channel."""
        return next((product for product in self.products if channel in product.channels), None)

    def person(self, platform: str, known: str) -> Person | None:
        """Return the person with this id on a platform."""
        return next((person for person in self.people if person.ids.get(platform) == known), None)

    def runtime(self, name: str) -> Runtime | None:
        """Return the runtime with this name."""
        return next((runtime for runtime in self.runtimes if runtime.name == name), None)


def load(path: Path | str, *, check_paths: bool = False, now: datetime | None = None) -> Registry:
    """Load a registry file, and with `check_paths` check the products' folders. Raises `RegistryError`."""
    return parse(_text(Path(path)), Path(path), check_paths=check_paths, now=now)


def parse(text: str, path: Path, *, check_paths: bool = False, now: datetime | None = None) -> Registry:
    """Parse the text of a registry file, with relative paths based on `path`. Raises `RegistryError`."""
    document = read(text, str(path))
    base = path.absolute().parent
    file = _sections(document, base, check_paths)
    if document.problems:
        raise RegistryError(document.sorted_problems())
    common = file.approvals.applied_to(Approvals())
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
        retention=_retention(file),
        agent=file.agent,
    )


def _retention(file: RegistrySection) -> RetentionSection:
    """Return the retention with the former key of the audit journal applied."""
    if file.audit is None or "audit" in file.retention.model_fields_set:
        return file.retention
    return file.retention.model_copy(update={"audit": file.audit.keep_days})


def _text(path: Path) -> str:
    def refuse(message: str) -> RegistryError:
        return RegistryError([Problem(str(path), 1, 1, message)])

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise refuse("File not found. Create one with: fleet init") from None
    except OSError as error:
        raise refuse(f"Cannot read the file: {error.strerror}.") from None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"Byte 0x{content[error.start]:02X} is not valid UTF-8. Save the file as UTF-8."
        raise RegistryError([Problem(str(path), line, column, message)]) from None


def _sections(document: Document, base: Path, with_paths: bool) -> RegistrySection:
    """Return the valid sections of the document, and add every problem to it."""
    if document.problems and document.value is None:
        return RegistrySection()
    if document.value is None:
        document.problem((), "The file is empty. Replace it with a commented example: fleet init")
        return RegistrySection()
    file = validate(RegistrySection, document)
    if isinstance(document.value, dict) and "products" not in document.value:
        document.problem((), "products is missing. If there are none yet, add: products: []")
    check(document, file)
    if with_paths:
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
        approvals=section.approvals.applied_to(common) if section.approvals else common,
        line=document.line(section.at),
    )


class RegistryFile:
    """A watched registry file, with its last valid registry as `current` and its present `problems`.

    `reload` checks the file and costs one `stat` if nothing changed, so it can be called every second. The constructor raises
    `RegistryError` if the file is invalid.
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
        """Callback for changes of `current` or `problems`."""
        self.problems: tuple[Problem, ...] = ()
        self.since: datetime | None = None
        """Time of the first of the present problems, None without any."""
        self._clock = clock
        self._seen = self._version()
        self._missing = False
        self.current = load(self.path, now=clock())

    def reload(self) -> bool:
        """Load the file if it changed. Returns True if `current` was replaced."""
        version = self._version()
        if version == self._seen:
            return False
        if version is None and not self._missing:
            # Editors that replace a file remove it for a moment, so only a second check counts.
            self._missing = True
            return False
        self._missing, self._seen = False, version
        try:
            fresh = load(self.path, now=self._clock())
        except RegistryError as error:
            self._broken(tuple(error.problems))
            return False
        if self._version() != version:
            # The file was written during the read, which may have seen half of it.
            self._seen = ()
            return False
        self._replaced(fresh)
        return True

    def _version(self) -> tuple[int, ...] | None:
        """Return values that differ between two versions of the file, without reading it."""
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

    def _replaced(self, fresh: Registry) -> None:
        self.problems, self.since, self.current = (), None, fresh
        self.on_change(self)
