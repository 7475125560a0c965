"""What an authorizer's policy says of one call, as IAM evaluates it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: what one statement
denies no other allows, and what none allows is denied. The grammar is that of
reference_policies_grammar.html; a policy that breaks it anywhere is none. Conditions are not evaluated: a
statement that has one denies, and never allows.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

_EFFECTS: Final = frozenset({"Allow", "Deny"})
_KEYS: Final = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"})


class Decision(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"  # no statement allows it
    DENIED_EXPLICITLY = "denied explicitly"


class PolicyError(ValueError):
    """Not a policy."""


def evaluate(document: Any, *, action: str, resource: str) -> Decision:
    """Return what a policy document says of an action on a resource, given by its ARN.

    Raises:
        PolicyError: The document breaks the grammar.
    """
    if not isinstance(document, dict) or "Statement" not in document:
        raise PolicyError("a policy is an object with a Statement")
    statements = document["Statement"]
    effects = {
        effect
        for statement in (statements if isinstance(statements, list) else [statements])
        if (effect := _effect(statement, action, resource))
    }
    if "Deny" in effects:
        return Decision.DENIED_EXPLICITLY
    return Decision.ALLOWED if effects else Decision.DENIED


def matches(pattern: str, text: str) -> bool:
    """Tell whether text fits a pattern, in which ``*`` stands for any characters and ``?`` for one.

    In time proportional to both lengths, whatever the pattern: it comes from the app's users as often as not.
    """
    at, star, resumed = 0, -1, 0
    position = 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resumed = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at += 1
            position += 1
        elif star >= 0:
            resumed += 1
            at, position = star + 1, resumed
        else:
            return False
    return not pattern[at:].strip("*")


def _effect(statement: Any, action: str, resource: str) -> str | None:
    """Return ``Allow`` or ``Deny`` if the statement is about the call."""
    if not isinstance(statement, dict) or not _KEYS.issuperset(statement):
        raise PolicyError("a statement is an object with the keys of one")
    effect = statement.get("Effect")
    if effect not in _EFFECTS:
        raise PolicyError("an Effect is Allow or Deny")
    # Actions are the same in any case, ARNs are not.
    is_action = _applies(statement, "Action", action.lower(), is_lowered=True)
    is_resource = _applies(statement, "Resource", resource, is_lowered=False)
    if effect == "Allow" and "Condition" in statement:
        return None
    return str(effect) if is_action and is_resource else None


def _applies(statement: Mapping[str, Any], key: str, text: str, *, is_lowered: bool) -> bool:
    """Tell whether ``key`` matches, or ``Not`` and ``key`` does not;
    a statement has exactly one of the two.
    """
    present = [name for name in (key, f"Not{key}") if name in statement]
    if len(present) != 1:
        raise PolicyError(f"a statement has either {key} or Not{key}")
    value = statement[present[0]]
    patterns = value if isinstance(value, list) else [value]
    # An empty list names nothing: Chalice's ``AuthResponse(routes=[])`` lets no client in by it.
    is_sound = all(isinstance(pattern, str) and pattern for pattern in patterns)
    if not is_sound or (not patterns and present[0] != key):
        raise PolicyError(f"{present[0]} is a text or a list of texts")
    is_match = any(matches(pattern.lower() if is_lowered else pattern, text) for pattern in patterns)
    return is_match == (present[0] == key)
