"""People and their roles."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a person may do: each role includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Person:
    """Who speaks: a name, and how each platform knows them (`{"slack": "U01…", "web": "token"}`)."""

    name: str
    role: Role = Role.VIEWER
    products: tuple[str, ...] = ()
    """Products that the role covers; empty means all."""
    ids: dict[str, str] = field(default_factory=dict)


def to_person(stored: dict[str, Any]) -> Person:
    """A person as kept with an event: the fields of `Person` as JSON values."""
    return Person(stored["name"], Role(stored["role"]), tuple(stored["products"]), dict(stored["ids"]))
