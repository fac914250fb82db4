"""Who may do what: the one check for messages, buttons, commands and the web. Pure."""

from bot.domain import Approvals, Person, Product, Role
from bot.text.wording import listed

NOTHING = ("",)
"""The products that somebody we do not know covers."""

OWNER = Person("owner", Role.ADMIN, ids={"web": "token"})
"""Holder of the web token, where `people` names nobody as `web: token`."""


def stranger(platform: str, known: str) -> Person:
    """Someone who is not among `people`, by the platform's id: covers no product, may do nothing."""
    return Person(f"{platform}:{known}", Role.VIEWER, products=NOTHING, ids={platform: known})


def may(person: Person, role: Role, product: str | None = None) -> str | None:
    """None if the person may do what takes this role (on this product, if one is named); else the reason why not."""
    if person.products == NOTHING:
        return "I do not know you. Ask an admin to add you under `people` in products.yaml."
    if not person.role.includes(role):
        return f"This takes the role {role}; {person.name} is {person.role}. An admin can change that under `people`."
    if product is not None and person.products and product not in person.products:
        return (
            f"{person.name} may act on {', '.join(person.products)}, not on {product}. An admin can change that under `people`."
        )
    return None


def may_decide(
    person: Person, product: Product, asked_by: str, people: tuple[Person, ...], *, escalated: bool = False
) -> str | None:
    """None if the person may decide this product's gates; else the reason, naming those who may. Backups may once the gate is
    `escalated`."""
    rules = product.approvals
    named = (*rules.approvers, *(rules.backups if escalated else ()))
    if person.name in rules.backups and person.name not in named and (rules.approvers or may(person, Role.APPROVER)):
        return f"{person.name} can decide gates of {product.name} once they have waited {rules.escalate_after:g} min."
    if rules.approvers and person.name not in named:
        return f"Only {listed(named, 'or')} can decide gates of {product.name}."
    if (reason := may(person, Role.APPROVER, product.name)) and person.name not in named:
        able = deciders(product, people, escalated=escalated)
        return f"{reason} {listed(able, 'or')} can decide gates of {product.name}." if able else reason
    if not rules.self_approval and person.name == asked_by:
        return f"{product.name} does not let people approve what they asked for themselves; someone else has to."
    return None


def deciders(product: Product, people: tuple[Person, ...], *, escalated: bool = False) -> tuple[str, ...]:
    """The names of those who may decide a product's gates; with the backups, once they have been asked."""
    rules: Approvals = product.approvals
    able = rules.approvers or tuple(each.name for each in people if may(each, Role.APPROVER, product.name) is None)
    return tuple(dict.fromkeys((*able, *(rules.backups if escalated else ()))))
