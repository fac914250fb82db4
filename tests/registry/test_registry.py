"""`products.yaml` as people write it: what loads, what is refused, and in which words."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import Approvals, Budget, ChannelRef, Person, Role
from bot.domain.errors import NotFound, RegistryError
from bot.registry import Registry, RegistryFile, load, parse

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


def read(text: str) -> Registry:
    return parse(dedent(text), HERE, now=NOON)


def problems(text: str, path: Path = HERE, *, check_paths: bool = False) -> list[str]:
    with pytest.raises(RegistryError) as raised:
        parse(dedent(text), path, check_paths=check_paths)
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in raised.value.problems]


def with_product(more: str) -> str:
    return "products: [{name: a, path: /a}]\n" + dedent(more)


# -- what loads ----------------------------------------------------------------------------------------------------------


def test_the_first_registry_ever_written_loads_unchanged() -> None:
    registry = read(SEED)
    assert registry.names == ("product-a", "product-b", "product-c", "product-d")
    first = registry.products[0]
    assert (first.path, first.type, first.overstory, first.priority) == ("/projects/product-a", "code", True, "high")
    assert (first.resource_weight, first.channels, first.line) == (3, (ChannelRef("slack", "#product-a-dev"),), 3)
    assert (registry.scheduling.max_concurrent_sessions, registry.scheduling.strategy) == (2, "priority-weighted")
    assert (registry.scheduling.max_cpu_percent, registry.scheduling.max_memory_gb) == (60, 12)


def test_what_is_left_out_has_a_default() -> None:
    registry = read("products: [{name: a, path: a}]")
    assert registry.products[0].priority == "medium"
    assert registry.products[0].path == "/fleet/a"
    assert (registry.people, registry.budget, registry.approvals) == ((), Budget(), Approvals())
    assert (registry.runtimes, registry.schedules, registry.quiet_hours) == ((), (), None)
    assert registry.default_runtime == ""
    assert registry.agent.max_steps > 0
    assert registry.loaded_at == NOON


def test_no_product_and_empty_sections_are_fine() -> None:
    assert read("products:\nscheduling:\npeople:\n").products == ()


def test_every_kind_of_channel() -> None:
    [product] = read(
        "products: [{name: a, path: a, channels: ['slack:#dev', slack:C0123AB, discord:123456789012345678, web:a}]".replace(
            "web:a}", "web:a]}"
        )
    ).products
    assert [str(channel) for channel in product.channels] == [
        "slack:#dev", "slack:C0123AB", "discord:123456789012345678", "web:a",
    ]  # fmt: skip


def test_people_are_known_by_their_ids_on_each_platform() -> None:
    registry = read(
        with_product("""
        people:
          - {name: alice, role: admin, slack: U01ALICE, discord: 123456789012345678, web: token}
          - {name: Béa, slack: U02, products: [a]}
        """)
    )
    alice = Person("alice", Role.ADMIN, (), {"slack": "U01ALICE", "discord": "123456789012345678", "web": "token"})
    assert registry.people == (alice, Person("Béa", Role.VIEWER, ("a",), {"slack": "U02"}))
    assert registry.person("discord", "123456789012345678") == alice
    assert registry.person("slack", "nobody") is None


def test_a_products_approvals_lie_over_those_of_the_fleet() -> None:
    registry = read("""
        products:
          - {name: a, path: a}
          - {name: b, path: b, approvals: {required: 2, remind_after: 2h}}
        people: [{name: ana, slack: U1A}, {name: ben, role: admin, slack: U2B}, {name: cyd, web: token}]
        approvals: {approvers: [ana, ben], backups: [cyd], self_approval: no, remind_after: 10, escalate_after: 1d}
        """)
    common = Approvals(1, ("ana", "ben"), ("cyd",), self_approval=False, remind_after=10, escalate_after=1440)
    assert registry.products[0].approvals == registry.approvals == common
    assert registry.products[1].approvals == Approvals(2, ("ana", "ben"), ("cyd",), False, 120, 1440)


def test_budgets_of_fleet_product_and_agent() -> None:
    registry = read("""
        products: [{name: a, path: a, budget: {per_day_usd: 10, per_work_usd: 2.5}}]
        budget: {per_day_usd: 20}
        agent: {per_day_usd: 5, model: claude-haiku-5-5, max_steps: 7}
        """)
    assert registry.products[0].budget == Budget(10, 2.5)
    assert registry.budget == Budget(20, None)
    assert (registry.agent.per_day_usd, registry.agent.model, registry.agent.max_steps) == (5, "claude-haiku-5-5", 7)


def test_a_product_lives_in_the_first_runtime_unless_it_names_one() -> None:
    registry = read("""
        products: [{name: a, path: /home/ana/fleet/a}, {name: b, path: /srv/b, runtime: here}, {name: c, path: /elsewhere/c}]
        runtimes:
          - {name: box, paths: [{here: /home/ana, there: /wrong}, {here: /home/ana/fleet, there: /projects}]}
          - {name: here, kind: local}
        """)
    assert [(product.runtime, product.path) for product in registry.products] == [
        ("box", "/projects/a"), ("here", "/srv/b"), ("box", "/elsewhere/c"),
    ]  # fmt: skip
    assert registry.default_runtime == "box"
    assert registry.runtime("box") == registry.runtimes[0]
    assert (registry.runtimes[0].container, registry.runtimes[0].user) == ("overstory-runtime", "agent")


def test_quiet_hours_go_past_midnight_in_their_own_time_zone() -> None:
    quiet = read(with_product("quiet_hours: {from: 22:00, to: 07:00, timezone: Europe/Vienna, weekends: true}")).quiet_hours
    assert quiet is not None
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert [quiet.cover(monday + timedelta(hours=hour)) for hour in (0, 5, 6, 12, 20, 21, 23)] == [
        True, True, False, False, False, True, True,
    ]  # fmt: skip
    assert quiet.cover(monday + timedelta(days=5, hours=12))


def test_schedules() -> None:
    [schedule] = read(
        with_product("""
        schedules:
          - {name: daily, product: a, cron: 0 9 * * mon-fri, objective: Sort the inbox., timezone: Europe/Vienna, missed: once}
        """)
    ).schedules
    assert (schedule.name, schedule.product, schedule.cron, schedule.timezone) == (
        "daily",
        "a",
        "0 9 * * mon-fri",
        "Europe/Vienna",
    )
    assert (schedule.missed, schedule.enabled, schedule.capability) == ("once", True, None)


def test_anchors_aliases_and_merge_keys() -> None:
    registry = read("""
        products:
          - &usual {name: a, path: a, priority: low, channels: [web:a]}
          - <<: *usual
            name: b
            path: b
            channels: [web:b]
        """)
    assert [(product.name, product.priority) for product in registry.products] == [("a", "low"), ("b", "low")]


def test_products_are_found_as_people_say_them() -> None:
    registry = read(SEED)
    assert registry.product("Product A") == registry.product("product_a") == registry.products[0]
    assert registry.channel(ChannelRef("slack", "#support")) == registry.products[3]
    assert registry.channel(ChannelRef("slack", "#elsewhere")) is None
    with pytest.raises(NotFound, match=r"Did you mean product-a\?"):
        registry.product("prodct-a")


def test_a_thousand_products_load() -> None:
    entry = (
        "  - {{name: p{0}, path: /p/{0}, type: code, priority: high, channels: ['slack:#p{0}'], budget: {{per_day_usd: 1}}}}\n"
    )
    assert len(read("products:\n" + "".join(map(entry.format, range(1000)))).products) == 1000


# -- what is refused -----------------------------------------------------------------------------------------------------


def test_every_problem_is_reported_in_one_reading_in_the_order_of_the_file() -> None:
    assert problems("""\
        products:
          - name: product-a
            pth: /a
            path: /a
            priority: hgih
            resource_weight: heavy
          - name: b
            type: [code]
          - nothing
          - {name: product-a, path: /c, overstory: maybe, approvals: {required: 0}}
        scheduling:
          max_concurent_sessions: 3
          max_concurrent_sessions: 0
          resource_budget: {max_cpu_percent: 110}
        agent: 3
        """) == [
        "3:5: product-a: pth is not a key of a product. Did you mean path?",
        "5:15: product-a: priority must be one of critical, high, medium, low, not hgih. Did you mean high?",
        "6:22: product-a: resource_weight must be a number, not heavy.",
        "7:5: b: path is missing.",
        "8:11: b: type must be one of code, marketing, support, not a list.",
        "9:5: product 3 must be a mapping (key: value), not nothing.",
        "10:12: A product named product-a is already in line 2.",
        "10:44: product-a: overstory must be true or false, not maybe.",
        "10:73: product-a: approvals.required must be 1 or more, not 0.",
        "12:3: max_concurent_sessions is not a key of scheduling. Did you mean max_concurrent_sessions?",
        "13:28: scheduling.max_concurrent_sessions must be 1 or more, not 0.",
        "14:38: scheduling.resource_budget.max_cpu_percent must be 100 or less, not 110.",
        "15:8: agent must be a mapping (key: value), not 3.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: The file is empty. fleet init writes a commented one."),
        ("# nothing yet\n", "1:1: The file is empty. fleet init writes a commented one."),
        ("just words", "1:1: The file must be a mapping (key: value), not just words."),
        ("products:\n\t- a\n", "2:1: A tab is used for indentation. YAML takes spaces only."),
        ("a: b: c", "1:5: A second colon: quote the value, or start a new line for the next key."),
        ("products: [a\n", "2:1: This is not YAML: did not find expected ',' or ']' (while parsing a flow sequence)."),
        (
            "products: []\n---\nproducts: []",
            "2:1: A second YAML document starts here; one file is one document. Remove the ---.",
        ),
        ("products: *all", "1:11: *all stands for nothing: no &all comes before it."),
        ("products: &all [*all]", "1:17: *all stands inside of what it stands for."),
        ("products: []\nproducts: []", "2:1: products stands here a second time; the first is in line 1."),
        ("products: !!python/name:os.system []", "1:11: Tags (words that start with !) are not used here."),
        ("products: []\n? [a]\n: b", "2:3: A key must be a word."),
        ("products: []\nbell: \x07", "2:7: U+0007 is a character that YAML does not allow. Remove it."),
        ("scheduling: {}", "1:1: products is missing. An empty list is fine: products: []"),
        ("[" * 100_000, "1:33: Nested deeper than 32 levels."),
    ],
)
def test_what_is_not_a_registry_at_all(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    [problem] = problems("\n".join(lines))
    assert "more than 200,000 values once its aliases are followed" in problem


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ("[slack: #dev]", "not YAML"),
        ("[{slack: dev}]", "a channel is one word: slack:#name, without a space after the colon."),
        ("slack:#dev", "channels must be a list"),
        ("[slakc:#dev]", "slakc:#dev is not a channel: slack:#name, slack:C0123, discord:123 or web:name. Did you mean slack?"),
        ("[slack:#Dev]", "slack:#Dev is not a channel of slack: write slack:#name (lower case)"),
        ("[discord:general]", "discord:general is not a channel of discord: write discord:123456789012345678"),
        ("[web:x, web:x]", "web:x stands here a second time."),
    ],
)
def test_channels_that_are_none(channels: str, expected: str) -> None:
    assert expected in "\n".join(problems(f"products: [{{name: a, path: a, channels: {channels}}}]\n"))


def test_a_channel_belongs_to_one_product() -> None:
    assert problems("""\
        products:
          - {name: a, path: a, channels: [web:x]}
          - {name: b, path: b, channels: [web:y, web:x]}
        """) == ["3:42: b: web:x is already the channel of a (line 2)."]


def test_a_product_is_not_called_like_work_or_a_gate() -> None:
    found = problems("products: [{name: w3, path: a}, {name: G12, path: b}, {name: w3a, path: c}]")
    assert found == [
        "1:19: w3 is what a piece of work is called. Choose another name.",
        "1:40: G12 is what a gate is called. Choose another name.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("budget: {per_day_usd: 0}", "1:23: budget.per_day_usd must be more than 0, not 0."),
        ("budget: {per_day_usd: -3}", "1:23: budget.per_day_usd must be more than 0, not -3."),
        ("budget: {per_day_usd: .inf}", "1:23: budget.per_day_usd must be a number, not .inf."),
        ("budget: {per_day_usd: 5, per_work_usd: 6}", "1:40: budget.per_work_usd (6) is above the fleet's per_day_usd (5)."),
        ("budget: {per_day_usd: 5}\nagent: {per_day_usd: 6}", "2:22: agent.per_day_usd is above the fleet's per_day_usd (5)."),
        (
            "scheduling: {resource_budget: {max_memory_gb: 0}}",
            "1:47: scheduling.resource_budget.max_memory_gb must be more than 0",
        ),
    ],
)
def test_budgets_that_cannot_be(text: str, expected: str) -> None:
    [problem] = problems(f"{text}\nproducts: []")
    assert problem.startswith(expected)


def test_a_products_budget_fits_into_that_of_the_fleet() -> None:
    assert problems("""\
        products:
          - {name: a, path: a, budget: {per_day_usd: 30, per_work_usd: 40}}
          - {name: b, path: b, budget: {per_work_usd: 21}}
        budget: {per_day_usd: 20}
        """) == [
        "2:46: a: budget.per_day_usd (30) is above the fleet's per_day_usd (20).",
        "2:64: a: budget.per_work_usd (40) is above its own per_day_usd (30).",
        "3:47: b: budget.per_work_usd (21) is above the fleet's per_day_usd (20).",
    ]


PEOPLE = """\
people:
  - {name: ana, role: admin, slack: U1A}
  - {name: ben, role: approver, slack: U2B}
  - {name: vic, slack: U3C}
"""


@pytest.mark.parametrize(
    ("approvals", "expected"),
    [
        ("approvers: [anna]", "6:25: approvers: there is no person anna. Did you mean ana?"),
        ("backups: [zoe]", "6:23: backups: there is no person zoe. There are: ana, ben, vic."),
        ("required: 2, approvers: [ana]", "6:23: Nobody can decide gates: 2 required, but only ana may approve."),
        ("required: 3", "6:23: Nobody can decide gates: 3 required, but only ana, ben may approve."),
        ("approvers: [ana], self_approval: false", "6:24: Nobody can decide gates: without self_approval, what ana asks for"),
        ("remind_after: soon", "6:27: approvals.remind_after must be a number, not soon."),
    ],
)
def test_a_gate_that_nobody_can_decide_is_an_error(approvals: str, expected: str) -> None:
    assert problems(f"{PEOPLE}products: [{{name: a, path: a}}]\napprovals: {{{approvals}}}")[0].startswith(expected)


@pytest.mark.parametrize(
    "approvals", ["required: 2", "approvers: [vic]", "approvers: [ana], backups: [ben], self_approval: false"]
)
def test_a_gate_that_somebody_can_decide_is_none(approvals: str) -> None:
    assert read(f"{PEOPLE}products: [{{name: a, path: a}}]\napprovals: {{{approvals}}}").people


def test_a_product_whose_gates_nobody_can_decide() -> None:
    assert problems("""\
        products: [{name: a, path: a}, {name: b, path: b}, {name: c, path: c, approvals: {required: 2}}]
        people: [{name: ana, role: approver, slack: U1A, products: [a]}, {name: ben, role: admin, slack: U2B, products: [a, c]}]
        """) == [
        "1:39: b: nobody can decide its gates: 1 required, and nobody may approve.",
        "1:93: c: nobody can decide its gates: 2 required, but only ben may approve.",
    ]


def test_without_people_only_one_person_can_approve() -> None:
    [problem] = problems(with_product("approvals: {required: 2}"))
    assert problem == "2:23: Nobody can decide gates: 2 are required, and without people only one exists."


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("people: [{name: ana, role: boss, slack: U1A}]", "ana: role must be one of viewer, operator, approver, admin, not"),
        ("people: [{name: ana, role: admin}]", "ana can speak nowhere. Add slack, discord, web, terminal or whatsapp."),
        ("people: [{name: ana, role: admin, slack: '@ana'}]", "ana: slack takes a member id such as U01ALICE"),
        ("people: [{name: fleet, role: admin, web: token}]", "fleet is what the coordinator is called. Choose another name."),
        ("people: [{name: ana, role: admin, web: x}, {name: Ana, slack: U1A}]", "A person named Ana is already in line 2."),
        ("people: [{name: ana, role: admin, web: x}, {name: ben, web: x}]", "ben: the web id x is already in line 2."),
        ("people: [{name: ana, role: admin, web: x, products: [b]}]", "ana: there is no product b. There are: a."),
        ("runtimes: [{name: r, kind: dokcer}]", "r: kind must be one of docker, socket, local, rehearsal, not dokcer."),
        ("runtimes: [{name: r, kind: socket}]", "r: socket is missing; it is where the supervisor of this runtime listens."),
        ("runtimes: [{name: r, kind: local, container: c}]", "r: container is only for kind: docker."),
        ("runtimes: [{name: r, user: root}]", "r: agents cannot run as root; the engine refuses to."),
        ("runtimes: [{name: r, host: mini.local}]", "r: host begins with unix://, tcp:// or ssh://."),
        ("runtimes: [{name: r, paths: [{here: /a, there: a}]}]", "r: there must be an absolute path, not a."),
        ("quiet_hours: {from: 25:00, to: 7:00}", "quiet_hours.from: must be a time of day such as 22:00."),
        ("quiet_hours: {from: 7:00, to: 7:00}", "quiet_hours: from and to are the same, so nobody would ever be reminded."),
        ("quiet_hours: {from: 1:00, to: 2:00, timezone: Europe/Wien}", "quiet_hours.timezone: Europe/Wien is not a time zone."),
        ("quiet_hours: {from: 1:00, to: 2:00, timezone: ../UTC}", "quiet_hours.timezone: ../UTC is not a time zone."),
        ("schedules: [{name: s, product: b, cron: 0 9 * * *, objective: x}]", "s: there is no product b. There are: a."),
        ("schedules: [{name: s, product: a, cron: 0 9 * *, objective: x}]", "s: cron: must have five parts"),
        ("schedules: [{name: s, product: a, cron: 0 9 30 2 *, objective: x}]", "s: cron: never occurs"),
        ("schedules: [{name: s, product: a, cron: 0 9 * * 1, objective: x}]", "s: cron: write weekdays as names (mon-fri)"),
        ("schedules: [{name: s, product: a, cron: 0 99 * * *, objective: x}]", "s: cron: Error validating expression '99'"),
        ("schedules: [{name: s, product: a, cron: 0 9 * * *, objective: ''}]", "s: objective must not be empty."),
        ("schedules: [{name: s, product: a, cron: 0 9 * * *, objective: x, timezone: Mars}]", "s: timezone: Mars is not"),
        ("scheduling: {resource_budget: {max_weight: 0.5}}", "a: resource_weight (1) is above max_weight (0.5)"),
        ("scheduling: {resource_budget: {max_weight: -1}}", "scheduling.resource_budget.max_weight must be more than 0"),
        ("scheduling: {retries: -1}", "scheduling.retries must be 0 or more, not -1."),
        ("budget: {per_day_usd: 0}", "budget.per_day_usd must be more than 0, not 0."),
        ("budget: {per_work_usd: -2}", "budget.per_work_usd must be more than 0, not -2."),
        ("digest: {time: '25:00'}", "digest.time: must be a time of day such as 22:00."),
        ("digest: {time: '8:00', timezone: Europe/Wien}", "digest.timezone: Europe/Wien is not a time zone."),
        ("agent: {max_steps: 0}", "agent.max_steps must be 1 or more, not 0."),
        ("agent: {max_tokens: many}", "agent.max_tokens must be a whole number, not many."),
        ("aproval: {}", "aproval is not a key of this file. Did you mean approvals?"),
    ],
)  # fmt: skip
def test_sections_that_say_what_cannot_be(more: str, expected: str) -> None:
    [problem] = problems(with_product(more))
    assert problem.split(": ", 1)[1].startswith(expected)


def test_an_unknown_runtime() -> None:
    [problem] = problems("products: [{name: a, path: a, runtime: bx}]\nruntimes: [{name: box}]")
    assert problem == "1:40: a: there is no runtime bx. Did you mean box?"


@pytest.mark.parametrize("name", ["a b", "-a", "a/b", "é", "x" * 65])
def test_names_that_are_none(name: str) -> None:
    [problem] = problems(f"products: [{{name: '{name}', path: a}}]")
    assert "is not a name: letters, digits, dot, dash and underscore" in problem


# -- files and paths -----------------------------------------------------------------------------------------------------


def test_paths_are_looked_for_only_when_asked_and_only_here(tmp_path: Path) -> None:
    (tmp_path / "product-a").mkdir()
    (tmp_path / "notes").write_text("")
    text = """\
        products:
          - {name: a, path: product-a}
          - {name: b, path: ./prodct-a}
          - {name: c, path: notes}
          - {name: d, path: /projects/d, runtime: box}
        runtimes: [{name: here, kind: local}, {name: box}]
        """
    file = tmp_path / "products.yaml"
    assert problems(text, file, check_paths=True) == [
        f"3:21: b: path ./prodct-a does not exist (looked in {tmp_path}). Did you mean product-a?",
        f"4:21: c: path notes is not a folder (looked in {tmp_path}). Create it, or correct the path.",
    ]
    file.write_text(dedent(text))
    assert load(file).products[0].path == str(tmp_path / "product-a")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "products.yaml"
    with pytest.raises(RegistryError, match=r"There is no such file\. fleet init writes a commented one\."):
        load(file)
    with pytest.raises(RegistryError, match="cannot be read: Is a directory"):
        load(tmp_path)
    file.write_bytes(b"products: []\n# caf\xe9\n")
    with pytest.raises(RegistryError, match=r"products.yaml:2:6: Byte 0xE9 is not UTF-8. Save the file as UTF-8."):
        load(file)
    file.write_bytes("\ufeffproducts: []\r\n".encode())
    assert load(file).products == ()


# -- following a file ----------------------------------------------------------------------------------------------------


class Followed:
    """A registry file that is edited, and what is heard of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "products.yaml"
        self.heard: list[tuple[int, int]] = []
        self.minute = 0
        self.write("products: [{name: a, path: a}]")
        self.file = RegistryFile(self.path, on_change=self.hear, clock=lambda: NOON + timedelta(minutes=self.minute))

    def hear(self, file: RegistryFile) -> None:
        self.heard.append((len(file.current.products), len(file.problems)))

    def write(self, text: str) -> None:
        """As editors do: a new file takes the place of the old one."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    def edit(self, text: str) -> bool:
        self.minute += 1
        self.write(text)
        return self.file.reload()


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_a_change_is_taken_up(followed: Followed) -> None:
    before = followed.file.current
    assert followed.file.reload() is False
    assert followed.edit("products: [{name: a, path: a}, {name: b, path: b}]") is True
    assert followed.file.current.names == ("a", "b")
    assert followed.file.current.loaded_at == NOON + timedelta(minutes=1)
    assert before.names == ("a",)
    assert followed.heard == [(2, 0)]


def test_a_broken_change_keeps_the_last_good_registry_and_says_since_when(followed: Followed) -> None:
    assert followed.edit("products: [{name: a}]") is False
    assert followed.file.current.names == ("a",)
    assert [str(problem) for problem in followed.file.problems] == [f"{followed.path}:1:12: a: path is missing."]
    assert followed.file.since == NOON + timedelta(minutes=1)
    assert followed.edit("products: [") is False
    assert followed.file.since == NOON + timedelta(minutes=1)
    assert followed.edit("products: []") is True
    assert not followed.file.problems
    assert followed.file.since is None
    assert followed.heard == [(1, 1), (1, 1), (0, 0)]


def test_putting_the_old_text_back_ends_the_problems(followed: Followed) -> None:
    followed.edit("nonsense")
    followed.edit("products: [{name: a, path: a}]")
    assert followed.file.problems == ()


def test_a_file_that_is_away_for_a_moment_is_not_missed(followed: Followed) -> None:
    text = followed.path.read_text()
    followed.path.unlink()
    assert followed.file.reload() is False
    assert followed.file.problems == ()
    followed.write(text)
    followed.file.reload()
    assert followed.file.problems == ()


def test_a_file_that_stays_away_is_missed(followed: Followed) -> None:
    followed.path.unlink()
    for _ in range(3):
        followed.file.reload()
    assert followed.file.current.names == ("a",)
    assert "There is no such file" in followed.file.problems[0].message
    assert followed.heard == [(1, 1)]


def test_a_file_broken_from_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RegistryError):
        RegistryFile(tmp_path / "products.yaml")


# -- any text ------------------------------------------------------------------------------------------------------------

WORDS = """\
products people approvals budget runtimes schedules quiet_hours agent scheduling name path type role channels required approvers
a code slack:#x web:x 1 -1 0 1e9 true ~ 22:00 * & ! [ ] { } - : , ' " | > # % @ ` ? << &a *a !!str --- ... \\n é 😀"""
WORD = st.sampled_from([*WORDS.split(), "\t", "\n", "\r", "\x85"])
KEYS = [word for word in WORDS.split() if word.isidentifier()] + [
    "backups",
    "socket",
    "kind",
    "cron",
    "from",
    "to",
    "paths",
    "web",
]
SHAPES = st.recursive(
    st.one_of(WORD, st.none(), st.integers(-2, 3), st.sampled_from(["admin", "docker", "0 9 * * *", "07:00", "\0"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)),
    max_leaves=30,
)
TEXTS = st.one_of(
    st.dictionaries(st.sampled_from(KEYS[:9]), SHAPES).map(json.dumps),
    st.text(),
    st.lists(st.one_of(WORD, st.sampled_from(["\n", "\n  ", "\n  - ", ": ", " ", ", "])), max_size=40).map("".join),
    st.builds(
        lambda at, length, put: SEED[:at] + put + SEED[at + length :],
        st.integers(0, len(SEED)), st.integers(0, 20), st.one_of(st.text(max_size=8), WORD),
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_loads_or_is_refused_with_places_inside_the_file(text: str) -> None:
    try:
        registry = parse(text, HERE)
    except RegistryError as error:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert error.problems
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert problem.message
    else:
        assert len(set(registry.names)) == len(registry.names)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    try:
        load(file)
    except RegistryError as error:
        assert error.problems
