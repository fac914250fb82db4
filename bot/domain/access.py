"""The access check that messages, buttons, commands and the web share. Pure."""

from bot.domain.people import Person, Role
from bot.domain.products import Approvals, Product
from bot.text.wording import listed

NOTHING = ("",)
"""Products of a person who is not in the registry."""

OWNER = Person("owner", Role.ADMIN, ids={"web": "token"})
"""Holder of the web token, where no entry of `people` says `web: token`."""


def stranger(platform: str, known: str) -> Person:
    """Return a person without any rights for a platform id that no entry of `people` has."""
    return Person(f"{platform}:{known}", Role.VIEWER, products=NOTHING, ids={platform: known})


def may(person: Person, role: Role, product: str | None = None) -> str | None:
    """Return None if the person has this role (on this product, if given), else why not."""
    if person.products == NOTHING:
        return "I do not know you. Ask an admin to add you under `people` in products.yaml."
    if not person.role.includes(role):
        return f"This needs the role {role}. {person.name} is {person.role}. An admin can change that under `people`."
    if product is not None and person.products and product not in person.products:
        return f"{person.name} may act on {listed(person.products)}, not on {product}. An admin can change that under `people`."
    return None


def may_decide(
    person: Person, product: Product, asked_by: str, people: tuple[Person, ...], *, escalated: bool = False
) -> str | None:
    """Return None if the person may decide this product's gates, else the reason with the people who may.

    Backups may decide once the gate is `escalated`.
    """
    rules = product.approvals
    named = (*rules.approvers, *(rules.backups if escalated else ()))
    if person.name in rules.backups and person.name not in named and (rules.approvers or may(person, Role.APPROVER)):
        return f"{person.name} can decide gates of {product.name} after they have waited {rules.escalate_after:g} min."
    if rules.approvers and person.name not in named:
        return f"Only {listed(named, 'or')} can decide gates of {product.name}."
    if (reason := may(person, Role.APPROVER, product.name)) and person.name not in named:
        able = deciders(product, people, escalated=escalated)
        return f"{reason} {listed(able, 'or')} can decide gates of {product.name}." if able else reason
    if not rules.self_approval and person.name == asked_by:
        return f"{product.name} does not allow self-approval. Someone other than {person.name} has to decide."
    return None


def deciders(product: Product, people: tuple[Person, ...], *, escalated: bool = False) -> tuple[str, ...]:
    """Return the names of the people who may decide a product's gates.

    Backups are included once the gate is `escalated`.
    """
    rules: Approvals = product.approvals
    able = rules.approvers or tuple(each.name for each in people if may(each, Role.APPROVER, product.name) is None)
    return tuple(dict.fromkeys((*able, *(rules.backups if escalated else ()))))
