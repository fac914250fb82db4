"""Access rules. The default is a refusal with its reason and the people who may."""

from dataclasses import replace

import pytest

from bot.domain import Approvals, Person, Product, Role
from bot.domain.access import deciders, may, may_decide, stranger

ANA = Person("ana", Role.ADMIN)
BEN = Person("ben", Role.APPROVER, products=("product-b",))
VIC = Person("vic", Role.VIEWER)
PRODUCT = Product("product-a", "/projects/product-a")


@pytest.mark.parametrize("role", list(Role))
def test_stranger_has_no_rights(role: Role) -> None:
    assert "I do not know you" in (may(stranger("slack", "U0999"), role) or "")


@pytest.mark.parametrize("have", list(Role))
@pytest.mark.parametrize("need", list(Role))
def test_role_includes_lower_roles(have: Role, need: Role) -> None:
    order = ["viewer", "operator", "approver", "admin"]
    assert (may(Person("x", have), need) is None) == (order.index(have) >= order.index(need))


def test_role_is_limited_to_its_products() -> None:
    assert may(BEN, Role.APPROVER, "product-b") is None
    assert "not on product-a" in (may(BEN, Role.APPROVER, "product-a") or "")


def test_approver_role_decides_without_named_approvers() -> None:
    assert may_decide(ANA, PRODUCT, "", (ANA, BEN, VIC)) is None
    assert "ana can decide" in (may_decide(VIC, PRODUCT, "", (ANA, BEN, VIC)) or "")
    assert deciders(PRODUCT, (ANA, BEN, VIC)) == ("ana",)


def test_named_approvers_exclude_everyone_else_even_admins() -> None:
    product = replace(PRODUCT, approvals=Approvals(approvers=("ben",), backups=("vic",)))
    assert may_decide(BEN, product, "", ()) is None
    assert "after they have waited 120 min" in (may_decide(VIC, product, "", ()) or "")
    assert may_decide(VIC, product, "", (), escalated=True) is None
    assert may_decide(ANA, product, "", ()) == "Only ben can decide gates of product-a."
    assert may_decide(ANA, product, "", (), escalated=True) == "Only ben or vic can decide gates of product-a."
    assert deciders(product, (), escalated=True) == ("ben", "vic")


def test_self_approval_can_be_forbidden() -> None:
    product = replace(PRODUCT, approvals=Approvals(self_approval=False))
    assert "does not allow self-approval" in (may_decide(ANA, product, "ana", ()) or "")
    assert may_decide(ANA, product, "ben", ()) is None
