"""Handling of inbound events.

A press decides a gate, a command runs a skill, and any other text starts a turn of the agent.

An event is stored before it is acknowledged, handled once, and resumed after a crash. Its answers have keys derived from the
event's id, and so has the request id of its skill, so a repetition changes nothing. This is one of the two places that catch
every exception, so that the person always gets an answer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bot.agent.live import Doing, Live
from bot.agent.nearest import nearest
from bot.commands import catalogue
from bot.commands.skill import Skill, SkillContext, SkillResult
from bot.conversation.turns import Turns
from bot.domain import Action, GateState, Inbound, Person, Post, Press, Role, access
from bot.domain.errors import FleetError, NotAllowed, NotFound, UsageError
from bot.fleet import Fleet
from bot.gates import actions, lifecycle
from bot.gates.decide import decide
from bot.text.wording import without_surrogates

log = logging.getLogger(__name__)

STOP_WORDS = frozenset({"stop", "/stop", "!stop"})
"""Messages that stop the running turn."""


class Router:
    """The path from a person's event to the fleet's answer."""

    def __init__(
        self,
        fleet: Fleet,
        skills: Sequence[Skill],
        turns: Turns | None = None,
        live: Callable[[str, Live], None] = lambda *_: None,
    ) -> None:
        self.fleet = fleet
        self.skills = tuple(skills)
        self.turns = turns
        """Turns of the agent, None without a model, in which case plain text gets the nearest command."""
        self.live = live
        self._handling: dict[str, asyncio.Task[None]] = {}

    def receive(self, inbound: Inbound) -> asyncio.Task[None] | None:
        """Store an event and start handling it. Returns None if it was handled before.

        The event may be acknowledged after `store.durable` was awaited.
        """
        press = inbound.press and replace(
            inbound.press, choice=without_surrogates(inbound.press.choice), note=without_surrogates(inbound.press.note)
        )
        inbound = replace(inbound, text=without_surrogates(inbound.text), press=press)
        with self.fleet.transaction():
            if not self.fleet.store.inbound.receive(inbound):
                return self._handling.get(inbound.event)
            said = inbound.text if inbound.press is None else f"{inbound.press.choice} {inbound.press.gate}"
            self.fleet.record(
                "event", inbound.person.name, inbound.product, inbound.event, {"in": inbound.conversation, "said": said[:500]}
            )
            if inbound.press is None:
                self.fleet.say(
                    inbound.conversation,
                    inbound.text,
                    key=f"said {inbound.event}",
                    author=inbound.person.name,
                    kind="message",
                    product=inbound.product,
                )
        return self._begin(inbound)

    async def handle(self, inbound: Inbound) -> list[Post]:
        """Store and handle an event. Returns its answers, which are the same for a repeated event."""
        if task := self.receive(inbound):
            await asyncio.shield(task)
        store = self.fleet.store
        return store.posts.keyed(f"{store.inbound.answered_by(inbound.event)}:")

    def resume(self) -> None:
        """Resume the events that were received and not finished before a restart."""
        for inbound in self.fleet.store.inbound.unhandled():
            self._begin(inbound)

    async def close(self) -> None:
        """Cancel the events being handled. They resume at the next start."""
        for task in self._handling.values():
            task.cancel()
        await asyncio.gather(*self._handling.values(), return_exceptions=True)

    def stop_turn(self, conversation: str) -> bool:
        """Stop the agent's turn in a conversation. Returns False if there is none."""
        return self.turns is not None and self.turns.stop(conversation)

    def running(self) -> dict[str, str]:
        """Return the conversations with a running turn, and its activity."""
        return self.turns.running() if self.turns else {}

    async def invoke(
        self,
        skill: Skill,
        arguments: dict[str, Any],
        person: Person,
        conversation: str,
        request: str,
        *,
        product: str | None = None,
        by_model: bool = False,
        approved: bool = False,
        progress: Callable[[str], None] = lambda text: None,
    ) -> SkillResult:
        """Run a skill with a person's rights. All skills run through here. Raises FleetError."""
        try:
            args = catalogue.arguments(skill, arguments)
        except UsageError as error:
            if not skill.reads:
                self.fleet.record("refused", person.name, product, skill.name, {"arguments": arguments, "why": error.message})
            raise
        about = self._product_in(args) or product
        reason = access.may(person, skill.role, about)
        if reason or (by_model and not skill.model):
            reason = reason or f"{skill.name} is for people only, not for the model."
            self.fleet.record("refused", person.name, about, skill.name, {"arguments": arguments, "why": reason})
            raise NotAllowed(reason)
        context = SkillContext(
            fleet=self.fleet,
            person=person,
            conversation=conversation,
            request=request,
            product=product,
            by_model=by_model,
            approved=approved,
            skills=self.skills,
            progress=progress,
        )
        if by_model and skill.consent:
            # A resumed turn still needs the approval it asked for, even if the state has changed since.
            known = actions.asked(self.fleet, about or "", request)
            if what := known.body if known else skill.consent(args, context):
                return self._ask_approval(skill, arguments, context, about, what)
        outcome = "failed"
        try:
            result = await skill.run(args, context)
            outcome = "done"
        except FleetError as error:
            outcome = error.message
            raise
        finally:
            if not skill.reads:
                detail = {"arguments": arguments, "outcome": outcome, "by_model": by_model}
                self.fleet.record("skill", person.name, about, skill.name, detail)
        return result

    def _ask_approval(
        self, skill: Skill, arguments: dict[str, Any], context: SkillContext, product: str | None, what: str
    ) -> SkillResult:
        gate = actions.ask(
            self.fleet,
            Action(skill.name, arguments, context.person, skill.role),
            product=product or "",
            title=f"{skill.name} {product or 'the fleet'}, requested by {context.person.name}",
            body=what,
            conversation=context.conversation,
            request=context.request,
        )
        text = f"This needs approval, requested as `{gate.id}`. Nothing has been done yet. {what}"
        if gate.state is not GateState.OPEN:
            text = f"`{gate.id}` requested approval for this: {lifecycle.outcome(gate)}"
        return SkillResult(text, data={"gate": gate.id, "state": gate.state.value, "done": False})

    async def act(self, action: Action, product: str, conversation: str, request: str) -> SkillResult:
        """Execute an approved action gate with its person's present rights. Raises FleetError."""
        skill = catalogue.named(action.skill, self.skills)
        if skill is None:
            raise NotFound(f"The skill “{action.skill}” no longer exists.", "Use `/fleet help` to list the skills.")
        person = next((each for each in self.fleet.registry.people if each.name == action.person.name), action.person)
        return await self.invoke(skill, action.arguments, person, conversation, request, product=product or None, approved=True)

    def _product_in(self, args: Any) -> str | None:
        """Return the product in a skill's arguments, spelled as in the registry.

        So the access check does not depend on spelling. An unknown product is None, and the skill refuses it.
        """
        named = getattr(args, "product", None)
        try:
            return self.fleet.product(named).name if isinstance(named, str) and named else None
        except NotFound:
            return None

    # -- one event ---------------------------------------------------------------------------------------------------

    def _begin(self, inbound: Inbound) -> asyncio.Task[None]:
        task = asyncio.create_task(self._answer(inbound), name=f"answer {inbound.event}")
        self._handling[inbound.event] = task
        task.add_done_callback(lambda _: self._ended(inbound, task))
        return task

    def _ended(self, inbound: Inbound, task: asyncio.Task[None]) -> None:
        self._handling.pop(inbound.event, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("event %s failed and resumes at the next start: %s", inbound.event, error)

    async def _answer(self, inbound: Inbound) -> None:
        """Answer an event, and store the answer and its completion in one transaction."""
        await asyncio.sleep(0)  # The acknowledgement has priority.
        error, kind, answered_by = "", "reply", ""
        private = inbound.press is not None
        result: SkillResult | None = None
        try:
            if inbound.press is not None:
                result = self._press(inbound, inbound.press)
            elif self._stops(inbound) and self.stop_turn(inbound.conversation):
                result = SkillResult("Stopped.")
            elif self._is_command(inbound.text):
                result = await self._run(inbound)
            else:
                result, answered_by = await self._talk(inbound)
        except FleetError as refusal:
            hinted = catalogue.suggestions(refusal.hint)
            error, kind, result = refusal.message, "error", SkillResult(str(refusal), suggestions=hinted)
            private = private or isinstance(refusal, NotAllowed)
        except Exception:
            log.exception("event %s could not be handled", inbound.event)
            text = "An internal error occurred. The log has the details. Nothing else is affected. Please try again."
            error, kind, result = "internal error", "error", SkillResult(text)
        with self.fleet.transaction():
            if result is not None:
                self._say(inbound, result, kind, private=private)
            self.fleet.store.inbound.handled(inbound.event, error, answered_by)

    def _press(self, inbound: Inbound, press: Press) -> SkillResult:
        gate = decide(
            self.fleet,
            press.gate,
            press.choice,
            inbound.person,
            note=press.note,
            revision=press.revision,
            digest=press.digest,
            platform=inbound.platform,
        )
        return SkillResult(f"`{gate.id}`: {lifecycle.outcome(gate)}")

    def _stops(self, inbound: Inbound) -> bool:
        """Return True if a person with access asks to stop the turn."""
        return inbound.text.strip().lower() in STOP_WORDS and access.may(inbound.person, Role.VIEWER) is None

    def _is_command(self, text: str) -> bool:
        """Return True for a command. `ask` without a product is a question for the agent instead."""
        if not catalogue.is_command(text, self.skills):
            return False
        words = catalogue.PREFIX.sub("", text, count=1).split(maxsplit=2)
        return not (len(words) > 1 and words[0].lower() == "ask" and self._names_product(words[1]) is False)

    def _names_product(self, word: str) -> bool:
        try:
            self.fleet.product(word)
        except FleetError:
            return False
        return True

    async def _run(self, inbound: Inbound) -> SkillResult:
        skill, arguments = catalogue.parse(
            inbound.text, self.skills, product=inbound.product, products=tuple(self.fleet.products)
        )
        self.live(inbound.conversation, Doing(f"{skill.name} …", skill=skill.name))
        try:
            return await self.invoke(
                skill,
                arguments,
                inbound.person,
                inbound.conversation,
                f"{inbound.event}:{skill.name}",
                product=inbound.product,
                progress=lambda text: self.live(inbound.conversation, Doing(text, skill=skill.name)),
            )
        finally:
            self.live(inbound.conversation, Doing(""))

    async def _talk(self, inbound: Inbound) -> tuple[SkillResult | None, str]:
        """Return a reply, or the event whose turn has answered this one."""
        if reason := access.may(inbound.person, Role.VIEWER):
            raise NotAllowed(reason)
        words = inbound.text.strip()
        if catalogue.is_command(words, self.skills):
            words = catalogue.PREFIX.sub("", words, count=1).partition(" ")[2]
        if self.turns is None:
            said, suggestions = nearest(words, self.skills, tuple(self.fleet.products))
            return SkillResult(said, suggestions=tuple(suggestions)), ""
        return None, await self.turns.answer(inbound, words)

    def _say(self, inbound: Inbound, result: SkillResult, kind: str, *, private: bool) -> None:
        self.fleet.say(
            inbound.conversation,
            result.text,
            key=f"{inbound.event}:{kind}",
            kind=kind,
            product=inbound.product,
            cards=result.cards,
            suggestions=result.suggestions,
            answers=inbound.event,
            private=private,
        )
