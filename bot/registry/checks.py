"""Checks across the sections of `products.yaml`.

Names must be unique and references known, budgets must fit into each other, every gate must have someone who can decide it, and
paths must exist.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain import Approvals, Role
from bot.registry.schema import (
    PLATFORMS,
    ApprovalsSection,
    BudgetSection,
    PersonSection,
    ProductSection,
    RegistrySection,
    absolute,
    normalized,
)
from bot.registry.yamlfile import Document
from bot.registry.yamlfile import Path as Position
from bot.registry.yamlmodel import suggestion
from bot.text.wording import listed

RESERVED_PEOPLE = ("fleet", "operator", "coordinator")
"""Names that posts and mail use for the fleet and its engines."""


@dataclass(frozen=True, slots=True)
class _Check:
    """The file as a document, which collects the problems, and as sections."""

    document: Document
    file: RegistrySection

    def say(self, at: Position, message: str) -> None:
        self.document.problem(at, message)

    def names(self, section: str) -> tuple[str, ...]:
        """Return every name in a section of the file, even of invalid entries."""
        entries = self.document.at((section,))
        items = entries if isinstance(entries, list) else []
        return tuple(item["name"] for item in items if isinstance(item, dict) and isinstance(item.get("name"), str))


def check(document: Document, file: RegistrySection) -> None:
    """Add every contradiction between sections to the problems of the document."""
    work = _Check(document, file)
    _unique_names(work)
    _products(work)
    _unique_channels(work)
    _people(work)
    _known_names(work)
    _runtimes(work)
    _budgets(work)
    _approvals(work)
    _weights(work)
    if file.quiet_hours and file.quiet_hours.start == file.quiet_hours.end:
        work.say(("quiet_hours", "to"), "quiet_hours: from and to are the same, so no reminder would ever be sent.")


def check_paths(document: Document, file: RegistrySection, base: Path) -> None:
    """Add a problem for every product without a folder on this machine.

    Products in a container or behind a socket are skipped.
    """
    elsewhere = {runtime.name for runtime in file.runtimes if runtime.kind in {"docker", "socket"}}
    default = file.runtimes[0].name if file.runtimes else None
    for product in file.products:
        if (product.runtime or default) in elsewhere:
            continue
        path = Path(absolute(product.path, base))
        if not path.is_dir():
            what = "is not a folder" if path.exists() else "does not exist"
            near = suggestion(path.name, _folders(path.parent), " Create it, or fix the path.")
            document.problem(
                (*product.at, "path"), f"{product.name}: path {product.path} {what} (looked in {path.parent}).{near}"
            )


def _folders(parent: Path) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in parent.iterdir() if each.is_dir())) if parent.is_dir() else ()


def _unique(work: _Check, entries: Iterator[tuple[Any, Position, str]]) -> None:
    first: dict[Any, Position] = {}
    for key, position, what in entries:
        if key in first:
            work.say(position, f"{what} is already defined in line {work.document.line(first[key])}.")
        first.setdefault(key, position)


def _unique_names(work: _Check) -> None:
    for section in ("products", "people", "runtimes", "schedules"):
        items = getattr(work.file, section)
        noun = type(items[0]).noun if items else ""
        _unique(work, ((normalized(item.name), (*item.at, "name"), f"A {noun} named {item.name}") for item in items))


def _products(work: _Check) -> None:
    for product in work.file.products:
        if re.fullmatch(r"[wWgG]\d+", product.name):
            what = "work" if product.name[0] in "wW" else "gates"
            work.say((*product.at, "name"), f"{product.name} has the form of an id of {what}. Choose another name.")


def _unique_channels(work: _Check) -> None:
    owner: dict[str, ProductSection] = {}
    for product in work.file.products:
        for channel in map(str, product.channels):
            position = work.document.find((*product.at, "channels"), channel)
            first = owner.setdefault(channel, product)
            if first is not product:
                line = work.document.line(work.document.find((*first.at, "channels"), channel))
                work.say(position, f"{product.name}: {channel} is already a channel of {first.name} (line {line}).")
        _repeated(work, product)


def _repeated(work: _Check, product: ProductSection) -> None:
    written = work.document.at((*product.at, "channels"))
    for index, channel in enumerate(written if isinstance(written, list) else []):
        if channel in written[:index]:
            work.say((*product.at, "channels", index), f"{product.name}: {channel} is repeated.")


def _people(work: _Check) -> None:
    for person in work.file.people:
        if person.name.casefold() in RESERVED_PEOPLE:
            work.say((*person.at, "name"), f"{person.name} is a reserved name. Choose another name.")
        for platform, form in person.wrong_ids():
            work.say((*person.at, platform), f"{person.name}: {platform} must be {form}.")
        if not person.value().ids:
            work.say(person.at, f"{person.name} has no id on any platform. Add {listed(PLATFORMS, 'or')}.")
    ids = (
        ((platform, known), (*person.at, platform), f"{person.name}: the {platform} id {known}")
        for person in work.file.people
        for platform, known in person.value().ids.items()
    )
    _unique(work, ids)


def _known_names(work: _Check) -> None:
    products, people, runtimes = work.names("products"), work.names("people"), work.names("runtimes")
    for person in work.file.people:
        _known(work, (*person.at, "products"), person.products, products, f"{person.name}: unknown product")
    for schedule in work.file.schedules:
        _known(work, (*schedule.at, "product"), (schedule.product,), products, f"{schedule.name}: unknown product")
    for product in work.file.products:
        named = (product.runtime,) if product.runtime else ()
        _known(work, (*product.at, "runtime"), named, runtimes, f"{product.name}: unknown runtime")
    for section in _approval_sections(work):
        for key in ("approvers", "backups"):
            _known(work, (*section.at, key), getattr(section, key) or (), people, f"{key}: unknown person")


def _known(work: _Check, position: Position, names: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    for name in names:
        if name not in known:
            otherwise = f" Known: {', '.join(known[:8])}." if known else " This file defines none."
            work.say(work.document.find(position, name), f"{what} {name}.{suggestion(name, known, otherwise)}")


def _approval_sections(work: _Check) -> list[ApprovalsSection]:
    return [work.file.approvals, *(product.approvals for product in work.file.products if product.approvals)]


def _runtimes(work: _Check) -> None:
    for runtime in work.file.runtimes:
        for kind, keys in runtime.KEYS.items():
            for key in sorted(keys & runtime.model_fields_set):
                if kind != runtime.kind:
                    work.say((*runtime.at, key), f"{runtime.name}: {key} is only for kind: {kind}.")
        if runtime.kind == "socket" and not runtime.socket:
            work.say(runtime.at, f"{runtime.name}: socket is missing. Set it to the socket of this runtime's supervisor.")
        if runtime.kind == "docker" and runtime.user == "root":
            work.say((*runtime.at, "user"), f"{runtime.name}: the engine refuses to run agents as root. Set another user.")
        if runtime.host and not runtime.host.startswith(("unix://", "tcp://", "ssh://", "http://", "https://")):
            work.say((*runtime.at, "host"), f"{runtime.name}: host must start with unix://, tcp:// or ssh://.")
        for mapped in runtime.paths:
            if not mapped.there.startswith("/"):
                work.say((*mapped.at, "there"), f"{runtime.name}: “there” must be an absolute path, not {mapped.there}.")


def _budgets(work: _Check) -> None:
    fleet = work.file.budget
    _within(work, fleet, "per_work_usd", fleet.per_day_usd, "the fleet's per_day_usd")
    if work.file.agent.per_day_usd and fleet.per_day_usd and work.file.agent.per_day_usd > fleet.per_day_usd:
        work.say(("agent", "per_day_usd"), f"agent.per_day_usd is above the fleet's per_day_usd ({fleet.per_day_usd:g}).")
    for product in work.file.products:
        own = product.budget
        if own is None:
            continue
        _within(work, own, "per_day_usd", fleet.per_day_usd, "the fleet's per_day_usd", product.name)
        _within(work, own, "per_work_usd", own.per_day_usd, "its own per_day_usd", product.name)
        if own.per_day_usd is None:
            _within(work, own, "per_work_usd", fleet.per_day_usd, "the fleet's per_day_usd", product.name)


def _weights(work: _Check) -> None:
    most = work.file.scheduling.resource_budget.max_weight
    for product in work.file.products:
        if most is not None and product.resource_weight > most:
            excess = f"{product.name}: resource_weight ({product.resource_weight:g}) is above max_weight ({most:g})"
            work.say((*product.at, "resource_weight"), f"{excess}, so its work could never start.")


def _within(work: _Check, section: BudgetSection, key: str, most: float | None, whose: str, product: str = "") -> None:
    amount = getattr(section, key)
    if amount is not None and most is not None and amount > most:
        subject = f"{product}: budget.{key}" if product else f"budget.{key}"
        work.say((*section.at, key), f"{subject} ({amount:g}) is above {whose} ({most:g}).")


def _approvals(work: _Check) -> None:
    if not _people_are_whole(work):
        return
    fleet = work.file.approvals
    common = fleet.applied_to(Approvals())
    problem = _undecidable(work, common, None)
    if problem:
        key = "required" if fleet.required is not None else "approvers" if fleet.approvers is not None else ""
        work.say((*fleet.at, key) if key else ("people",), f"Gates could never be decided: {problem}")
    for product in work.file.products:
        own = product.approvals
        if own is None and problem:
            continue
        wrong = _undecidable(work, own.applied_to(common) if own else common, product.name)
        if wrong:
            key = "required" if own and own.required is not None else "approvers"
            position = (*own.at, key) if own else (*product.at, "name")
            work.say(position, f"{product.name}: gates could never be decided: {wrong}")


def _people_are_whole(work: _Check) -> bool:
    """Return True if all entries of people are valid. The check of deciders needs every one of them."""
    written = work.document.at(("people",)) or []
    known = work.names("products")
    roles = all(work.document.at((*person.at, "role")) in (None, person.role.value) for person in work.file.people)
    return (
        roles and len(written) == len(work.file.people) and all(set(each.products) <= set(known) for each in work.file.people)
    )


def _undecidable(work: _Check, approvals: Approvals, product: str | None) -> str:
    """Return why gates of a product, or of any, could never be decided, empty if they can."""
    people = work.file.people
    if not people:
        return (
            ""
            if approvals.required == 1
            else f"{approvals.required} approvals are required, and without “people” only the admin can approve."
        )
    deciders = set(approvals.approvers) or {person.name for person in people if _may_decide(person, product)}
    if len(deciders) < approvals.required:
        required = "1 approval is required" if approvals.required == 1 else f"{approvals.required} approvals are required"
        return f"{required}, but {f'only {listed(sorted(deciders))}' if deciders else 'no one'} may approve."
    if not approvals.self_approval and len(deciders | set(approvals.backups)) == approvals.required:
        return f"without self_approval, requests of {sorted(deciders)[0]} need one more approver or backup."
    return ""


def _may_decide(person: PersonSection, product: str | None) -> bool:
    covers = product is None or not person.products or product in person.products
    return covers and person.role.includes(Role.APPROVER)
