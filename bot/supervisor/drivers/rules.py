"""Rules of an engine version for adopting a product."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdoptionRules:
    """Rules of one engine version for adopting a product."""

    program: str
    """Command that agents of this version run, for the examples in their instructions."""
    instructions: str
    """The coordinator's instructions, with the fields `reports` and `tracker`."""
    tracker_key: str
    """Mapping in `config.yaml` that says whether the product has a task tracker."""
    tracker_program: str
    """Tracker command that the instructions name when the product has none."""
    needs_tracker_program: bool = False
    """True if no worker starts while the tracker is enabled and its command is missing."""
    quality_gates: bool = True
    """True if the engine writes quality gates into `config.yaml`."""
    longest_definition: int | None = None
    """Most bytes of the coordinator's definition, quoted for the shell. None means no limit."""
    removable_sections: tuple[str, ...] = ()
    """Headings of sections to remove from a definition that is too long, the most dispensable first."""
