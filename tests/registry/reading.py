"""Functions that read registries for tests."""

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from bot.domain.errors import RegistryError
from bot.registry import Registry, parse

HERE = Path("/fleet/products.yaml")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

SEED = """\
# products.yaml (OpenClaw workspace config)
products:
  - name: product-a
    path: /projects/product-a
    type: code
    overstory: true
    priority: high
    resource_weight: 3
    channels:
      - slack:#product-a-dev

  - name: product-b
    path: /projects/product-b
    type: code
    overstory: true
    priority: medium
    resource_weight: 3
    channels:
      - slack:#product-b-dev

  - name: product-c
    path: /projects/product-c
    type: marketing
    overstory: true
    priority: medium
    resource_weight: 1
    channels:
      - slack:#marketing

  - name: product-d
    path: /projects/product-d
    type: support
    overstory: true
    priority: medium
    resource_weight: 1
    channels:
      - slack:#support

scheduling:
  max_concurrent_sessions: 2
  strategy: priority-weighted
  resource_budget:
    max_cpu_percent: 60
    max_memory_gb: 12
"""
"""A registry in the original format, before any later keys."""


def read(text: str) -> Registry:
    """Return the registry of a text."""
    return parse(dedent(text), HERE, now=NOON)


def problems(text: str, path: Path = HERE, *, check_paths: bool = False) -> list[str]:
    """Return the problems of an invalid registry as `line:column: message`."""
    with pytest.raises(RegistryError) as raised:
        parse(dedent(text), path, check_paths=check_paths)
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in raised.value.problems]


def with_product(more: str) -> str:
    """Return a registry with one product and these other keys."""
    return "products: [{name: a, path: /a}]\n" + dedent(more)
