"""Prepare a product's repository for the fleet, or undo that.

Adopting initializes the repository for the engine if needed (`ov init`, only once), tells the product's coordinator to ask
for approval and to report, sets the models, and installs agents for marketing and support products. It shows every change
first. A person applies the changes, in one commit, and the original files are backed up. Use it when a product is new, when
status or doctor reports that one is not adopted or was overwritten, or to check whether one is ready. When the model calls
it, it only shows.
"""

from os.path import abspath, expanduser
from typing import Literal

from pydantic import field_validator

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, option, skill, words
from bot.domain import Product, Suggestion, access
from bot.domain.errors import NotAllowed, UsageError
from bot.engine.base import Adoption
from bot.fleet import Change
from bot.text.wording import count

FENCE = "~~~~~~"
"""Code fence that is longer than any fence inside a diff."""


class Args(SkillArgs):
    """Arguments of `adopt`."""

    product: str = words(
        description="Name of the product, or path of a folder as the runtime sees it: `./shop`, `/projects/shop`."
    )
    yes: bool = option(False, description="Apply the changes without asking again.")
    undo: bool = option(False, description="Undo the newest adoption and restore every file.")
    shown: str | None = option(
        None, pattern=r"^[0-9a-z]{1,40}$", description="Digest of the preview that was shown; apply exactly that or nothing."
    )
    type: Literal["code", "marketing", "support"] = option(
        "code", description="Type of a folder that is not in products.yaml yet."
    )

    @field_validator("product")
    @classmethod
    def _from_here(cls, given: str) -> str:
        """Resolve a relative path against the folder where it was typed, not where the fleet runs."""
        return abspath(expanduser(given)) if "/" in given or given in {".", ".."} or given[:1] == "~" else given  # noqa: PTH100, PTH111


@skill(
    role=Role.ADMIN,
    summary="Prepare a product for the fleet, with a preview and an undo.",
    examples=["adopt product-a", "adopt ./shop --type support", "adopt product-a --undo"],
    synonyms="init setup onboard prepare",
    irreversible=True,
)
async def adopt(args: Args, context: SkillContext) -> SkillResult:
    """Show the changes, and apply them once a person confirms."""
    fleet = context.fleet
    product, listed = _meant(args, context)
    apply = args.yes and not context.by_model
    context.progress(f"{'undoing the adoption of' if args.undo else 'adopting' if apply else 'checking'} {product.name}")
    found = await fleet.engine.adopt(product, undo=args.undo, apply=apply, shown=args.shown or "")
    if found.done:
        detail = {"undo": args.undo, "commit": found.commit, "files": [change.path for change in found.changes]}
        fleet.record("adopt", context.person.name, product.name, product.path, detail)
        fleet.changed(Change("status", product=product.name))
    data = _json(product, found)
    if not found.needed:
        return SkillResult(f"**{product.name}** is adopted. Nothing to do.{_entry(product, listed)}", data=data)
    if found.done:
        return SkillResult(_done(product, found, undo=args.undo) + _entry(product, listed), data=data)
    command = _command(args, product, found, listed=listed)
    text = _shown(product, found, command, undo=args.undo, by_model=context.by_model)
    if found.obstacles:
        return SkillResult(text, data=data)
    label = f"Undo the adoption of {product.name}" if args.undo else f"Adopt {product.name}"
    return SkillResult(text, data={**data, "confirm": command}, suggestions=(Suggestion(label, command),))


def _meant(args: Args, context: SkillContext) -> tuple[Product, bool]:
    """Return the product the arguments name, and True if the registry lists it."""
    registry = context.fleet.registry
    if "/" not in args.product:
        product = context.fleet.product(args.product)
        if not product.overstory:
            raise UsageError(f"{product.name} has `overstory: false`: it runs no agents.", "Set it to true in products.yaml.")
        return product, True
    product = registry.at(args.product, args.type)
    if reason := access.may(context.person, Role.ADMIN, product.name):
        raise NotAllowed(reason)
    return product, product in registry.products


def _command(args: Args, product: Product, found: Adoption, *, listed: bool) -> str:
    path = f'"{args.product}"' if " " in args.product else args.product
    what = [product.name] if listed else [path, "--type", args.type]
    return " ".join(["/fleet adopt", *what, *(["--undo"] if args.undo else []), "--yes", "--shown", found.digest])


def _shown(product: Product, found: Adoption, command: str, *, undo: bool, by_model: bool) -> str:
    lines = [f"Undoing the adoption of **{product.name}** changes:" if undo else f"To adopt **{product.name}**:", ""]
    if found.initialises:
        lines.append("- the engine initializes the repository once (`ov init`), in a separate commit")
    lines += [f"- `{change.path}`: {'; '.join(change.why)}" for change in found.changes]
    lines += [f"- ⚠ {note}" for note in found.notes]
    lines += ["", f"{FENCE}diff", *(change.diff for change in found.changes), FENCE, ""]
    if found.obstacles:
        return "\n".join(
            [*lines, "Nothing was changed. It cannot be applied now:", *(f"- ⚠ {each}" for each in found.obstacles)]
        )
    who = "A person has to apply it with" if by_model else "To apply it, run"
    return "\n".join([*lines, f"Nothing was changed. {who} `{command}`."])


def _done(product: Product, found: Adoption, *, undo: bool) -> str:
    files = count(len(found.changes), "file")
    commit = f"commit `{found.commit}`" if found.commit else "no commit, because git ignores these files"
    if undo:
        return f"The adoption of **{product.name}** is undone: {files} restored, {commit}."
    begun = "The engine has initialized the repository. " if found.initialises else ""
    notes = "".join(f"\n- ⚠ {note}" for note in found.notes)
    kept = f"The originals are in `{found.backup}`; `/fleet adopt {product.name} --undo` restores them."
    return f"**{product.name}** is adopted: {files} changed, {commit}. {begun}{kept}{notes}"


def _entry(product: Product, listed: bool) -> str:
    """Return the registry entry to add for a product that is not listed yet."""
    if listed:
        return ""
    kind = "" if product.type == "code" else f", type: {product.type}"
    entry = f"  - {{name: {product.name}, path: {product.path}{kind}}}"
    return f"\n\nAdd it under `products` in products.yaml:\n\n~~~yaml\n{entry}\n~~~"


def _json(product: Product, found: Adoption) -> dict[str, object]:
    return {
        "product": product.name,
        "path": product.path,
        "done": found.done,
        "needed": found.needed,
        "initialises": found.initialises,
        "changes": [{"path": change.path, "why": list(change.why), "diff": change.diff} for change in found.changes],
        "digest": found.digest,
        "notes": list(found.notes),
        "obstacles": list(found.obstacles),
        "commit": found.commit,
        "backup": found.backup,
    }
