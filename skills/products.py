"""List the products of the registry with their configuration: type, path, priority, weight, channels, budget, approvers.

Use it to learn which products exist, where their files are, or how they are configured. For what they are doing now, use
`status`.
"""

from typing import TYPE_CHECKING, Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, skill, words
from bot.domain import Product, access
from bot.domain.errors import NotAllowed
from bot.text.wording import count, money

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """Arguments of `products`."""

    product: str | None = words(None, description="Name of one product, to see its whole configuration.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="List the products and their configuration.",
    examples=["products", "products product-a"],
    synonyms="list ls registry",
)
async def products(args: Args, context: SkillContext) -> SkillResult:
    """Return the products the person may see."""
    fleet = context.fleet
    if args.product:
        one = fleet.product(args.product)
        if reason := access.may(context.person, Role.VIEWER, one.name):
            raise NotAllowed(reason)
        return SkillResult(_whole(one, fleet), data=_json(one, fleet))
    shown = [each for each in fleet.registry.products if access.may(context.person, Role.VIEWER, each.name) is None]
    lines = [f"**{count(len(shown), 'product')}** in {fleet.registry.file}", "", *(f"- {_line(each)}" for each in shown)]
    if not shown:
        lines = ["No products yet. Add one to products.yaml, or run `fleet init`."]
    lines += [f"- ⚠ {problem}" for problem in fleet.registry_problems]
    data = {"products": [_json(each, fleet) for each in shown], "problems": list(fleet.registry_problems)}
    return SkillResult("\n".join(lines), data=data, table=_table(shown))


def _line(product: Product) -> str:
    parts = [f"**{product.name}** {product.type}, {product.priority} priority"]
    if product.resource_weight != 1:
        parts.append(f"weight {product.resource_weight:g}")
    if product.channels:
        parts.append(", ".join(map(str, product.channels)))
    if not product.overstory:
        parts.append("runs no agents")
    return f"{' · '.join(parts)} · `{product.path}`"


def _whole(product: Product, fleet: "Fleet") -> str:
    rules = product.approvals
    names = access.deciders(product, fleet.registry.people)
    who = ", ".join(names) if names else "anyone with the admin token"
    budget = f"{money(product.budget.per_day_usd)} a day" if product.budget.per_day_usd else "the budget of the fleet"
    lines = [
        _line(product),
        "",
        f"- registry: {fleet.registry.file}, line {product.line}",
        f"- runtime: {product.runtime or fleet.registry.default_runtime or 'detected automatically'}",
        f"- gates: {rules.required} of {who}; first reminder after {rules.remind_after:g} min",
        f"- budget: {budget}",
    ]
    return "\n".join(lines)


def _json(product: Product, fleet: "Fleet") -> dict[str, Any]:
    return {
        "name": product.name,
        "type": product.type,
        "path": product.path,
        "overstory": product.overstory,
        "priority": product.priority,
        "resource_weight": product.resource_weight,
        "channels": [str(channel) for channel in product.channels],
        "runtime": product.runtime or fleet.registry.default_runtime or None,
        "budget": {"per_day_usd": product.budget.per_day_usd, "per_work_usd": product.budget.per_work_usd},
        "approvals": {
            "required": product.approvals.required,
            "may_decide": list(access.deciders(product, fleet.registry.people)),
        },
        "line": product.line,
    }


def _table(products: list[Product]) -> Table:
    rows = tuple(
        (each.name, each.type, each.priority, f"{each.resource_weight:g}", " ".join(map(str, each.channels)), each.path)
        for each in products
    )
    return Table(("product", "type", "priority", "weight", "channels", "path"), rows)
