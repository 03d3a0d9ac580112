"""The operator's rules: the first that holds names the tier at which the plan starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.domain.pattern import Pattern, compile_pattern
from tidegate.domain.route import Rule
from tidegate.routing.features import Features


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule whose pattern has been compiled once, when the configuration was loaded."""

    rule: Rule
    pattern: Pattern | None


def compile_rules(rules: Sequence[Rule]) -> tuple[CompiledRule, ...]:
    """Compile the patterns; raises ConfigError for one that RE2 does not take."""
    return tuple(
        CompiledRule(
            rule, None if rule.pattern is None else compile_pattern(rule.pattern, called="pattern")
        )
        for rule in rules
    )


def first_match(rules: Sequence[CompiledRule], seen: Features) -> tuple[int, Rule] | None:
    """Give the first rule that holds, with its position, or None."""
    for position, compiled in enumerate(rules):
        if _holds(compiled, seen):
            return position, compiled.rule
    return None


def _holds(compiled: CompiledRule, seen: Features) -> bool:
    rule = compiled.rule
    if rule.min_tokens is not None and seen.tokens < rule.min_tokens:
        return False
    if rule.max_tokens is not None and seen.tokens > rule.max_tokens:
        return False
    if rule.needs is not None and not _needs_match(rule.needs, seen):
        return False
    return compiled.pattern is None or compiled.pattern.search(seen.text) is not None


def _needs_match(wanted: frozenset[str], seen: Features) -> bool:
    return bool(wanted & seen.needs) if wanted else not seen.needs
