"""The products of the registry and how each is set up: type, path, priority, weight, channels, budget, approvers.

Use it to learn which products there are, where a product's files are, or how it is configured. What they are doing right now
is `status`, not this.
"""

from typing import TYPE_CHECKING, Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, skill, words
from bot.domain import Product, access
from bot.domain.errors import NotAllowed
from bot.text.wording import count, money

if TYPE_CHECKING:
    from bot.fleet import Fleet


class Args(SkillArgs):
    """One product, or all."""

    product: str | None = words(None, description="Name of one product, for all that the registry says of it.")


@skill(
    reads=True,
    role=Role.VIEWER,
    summary="The products and how each is set up.",
    examples=["products", "products product-a"],
    synonyms="list ls registry",
)
async def products(args: Args, context: SkillContext) -> SkillResult:
    """The registry, as far as the person may see it."""
    fleet = context.fleet
    if args.product:
        one = fleet.product(args.product)
        if reason := access.may(context.person, Role.VIEWER, one.name):
            raise NotAllowed(reason)
        return SkillResult(_whole(one, fleet), data=_json(one, fleet))
    shown = [each for each in fleet.registry.products if access.may(context.person, Role.VIEWER, each.name) is None]
    lines = [f"**{count(len(shown), 'product')}** in {fleet.registry.file}", "", *(f"- {_line(each)}" for each in shown)]
    if not shown:
        lines = ["No product yet: add one to products.yaml, or run `fleet init`."]
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
    who = ", ".join(names) if names else "whoever holds the web token"
    lines = [
        _line(product),
        "",
        f"- registry: {fleet.registry.file}, line {product.line}",
        f"- runtime: {product.runtime or fleet.registry.default_runtime or 'found by itself'}",
        f"- gates: {rules.required} of {who}; they are reminded after {rules.remind_after:g} min",
        f"- budget: {money(product.budget.per_day_usd) + ' a day' if product.budget.per_day_usd else 'that of the fleet'}",
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
