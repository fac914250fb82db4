"""People and their roles."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """Roles of a person, each including those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return True if this role has all rights of `other`."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Person:
    """A person, with their id on each platform (`{"slack": "U01…", "web": "token"}`)."""

    name: str
    role: Role = Role.VIEWER
    products: tuple[str, ...] = ()
    """Products that the role covers, all if empty."""
    ids: dict[str, str] = field(default_factory=dict)


def to_person(stored: dict[str, Any]) -> Person:
    """Return the person that was stored with an event as JSON values."""
    return Person(stored["name"], Role(stored["role"]), tuple(stored["products"]), dict(stored["ids"]))
