"""Who may do what: nobody by default, and every refusal says why and who may."""

from dataclasses import replace

import pytest

from bot.domain import Approvals, Person, Product, Role
from bot.domain.access import deciders, may, may_decide, stranger

ANA = Person("ana", Role.ADMIN)
BEN = Person("ben", Role.APPROVER, products=("product-b",))
VIC = Person("vic", Role.VIEWER)
PRODUCT = Product("product-a", "/projects/product-a")


@pytest.mark.parametrize("role", list(Role))
def test_someone_unknown_may_do_nothing(role: Role) -> None:
    assert "I do not know you" in (may(stranger("slack", "U0999"), role) or "")


@pytest.mark.parametrize("have", list(Role))
@pytest.mark.parametrize("need", list(Role))
def test_a_role_includes_those_before_it(have: Role, need: Role) -> None:
    order = ["viewer", "operator", "approver", "admin"]
    assert (may(Person("x", have), need) is None) == (order.index(have) >= order.index(need))


def test_a_role_covers_only_its_products() -> None:
    assert may(BEN, Role.APPROVER, "product-b") is None
    assert "not on product-a" in (may(BEN, Role.APPROVER, "product-a") or "")


def test_without_named_approvers_whoever_has_the_role_decides() -> None:
    assert may_decide(ANA, PRODUCT, "", (ANA, BEN, VIC)) is None
    assert "ana can decide" in (may_decide(VIC, PRODUCT, "", (ANA, BEN, VIC)) or "")
    assert deciders(PRODUCT, (ANA, BEN, VIC)) == ("ana",)


def test_named_approvers_decide_and_nobody_else_not_even_an_admin() -> None:
    product = replace(PRODUCT, approvals=Approvals(approvers=("ben",), backups=("vic",)))
    assert may_decide(BEN, product, "", ()) is None
    assert "once they have waited 120 min" in (may_decide(VIC, product, "", ()) or "")
    assert may_decide(VIC, product, "", (), escalated=True) is None
    assert may_decide(ANA, product, "", ()) == "Only ben can decide gates of product-a."
    assert may_decide(ANA, product, "", (), escalated=True) == "Only ben or vic can decide gates of product-a."
    assert deciders(product, (), escalated=True) == ("ben", "vic")


def test_nobody_approves_their_own_request_where_that_is_set() -> None:
    product = replace(PRODUCT, approvals=Approvals(self_approval=False))
    assert "someone else" in (may_decide(ANA, product, "ana", ()) or "")
    assert may_decide(ANA, product, "ben", ()) is None
