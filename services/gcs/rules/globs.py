r"""Patterns of object names, as `matchGlob` has them: `*`, `**`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`; `\` quotes.

https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob

A name is compared by following all places of the pattern at once, so that no pattern takes long.
"""

from __future__ import annotations

from collections.abc import Callable

from services.gcs.errors import invalid

MOST_CHARACTERS, MOST_ALTERNATIVES = 1024, 128
Step = tuple[bool, Callable[[str], bool]]
"""Whether it is taken any number of times, and which characters it takes."""


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether a name fits."""
    if len(pattern) > MOST_CHARACTERS:
        raise invalid(f"matchGlob is longer than {MOST_CHARACTERS} characters", "matchGlob")
    alternatives = [_steps(each) for each in _bounded(_expand(pattern))]
    return lambda name: any(_fits(steps, name) for steps in alternatives)


def _expand(pattern: str) -> list[str]:
    """Return the patterns without braces that a pattern stands for."""
    opened, depth, parts, start, escaped = -1, 0, [], 0, False
    for at, character in enumerate(pattern):
        if escaped or character == "\\":
            escaped = not escaped
        elif character == "{":
            depth += 1
            if depth == 1:
                opened, start = at, at + 1
        elif character in ",}" and depth == 1:
            parts.append(pattern[start:at])
            start = at + 1
            if character == "}":
                following = _expand(pattern[at + 1 :])
                return _bounded([pattern[:opened] + part + rest for part in parts for rest in following])
        elif character == "}" and depth:
            depth -= 1
    if depth:
        raise invalid(f"matchGlob has a brace without its other half: {pattern[:100]}", "matchGlob")
    return [pattern]


def _bounded(patterns: list[str]) -> list[str]:
    """Return patterns with what they still stand for: braces inside of parts, and a `**/` that is no folder at all."""
    found: list[str] = []
    for pattern in patterns:
        found += _expand(pattern) if "{" in pattern else [pattern]
        at = pattern.find("**/")
        while at >= 0 and "{" not in pattern:
            if at == 0 or pattern[at - 1] == "/":
                found += _bounded([pattern[:at] + pattern[at + 3 :]])
            at = pattern.find("**/", at + 3)
        if len(found) > MOST_ALTERNATIVES:
            raise invalid(f"matchGlob has more than {MOST_ALTERNATIVES} alternatives", "matchGlob")
    return found


def _steps(pattern: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "*":
            every = pattern.startswith("**", at)
            steps.append((True, (lambda _: True) if every else (lambda found: found != "/")))
            at += 2 if every else 1
        elif character == "?":
            steps.append((False, lambda found: found != "/"))
            at += 1
        elif character == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            steps.append((False, _one_of(pattern[at + 1 : end])))
            at = end + 1
        else:
            at += character == "\\" and at + 1 < len(pattern)
            steps.append((False, pattern[at].__eq__))
            at += 1
    return steps


def _one_of(text: str) -> Callable[[str], bool]:
    """Return whether a character is in brackets such as `a-z0` or `!a-z`."""
    negated, text = text[0] in "!^" and len(text) > 1, text[1:] if text[0] in "!^" and len(text) > 1 else text
    ranges, at = [], 0
    while at < len(text):
        last = text[at + 2] if text[at + 1 : at + 2] == "-" and at + 2 < len(text) else text[at]
        ranges.append((text[at], last))
        at += 1 if last is text[at] else 3
    return lambda found: found != "/" and any(low <= found <= high for low, high in ranges) != negated


def _fits(steps: list[Step], name: str) -> bool:
    places = _skipping(steps, {0})
    for character in name:
        following = set()
        for place in places:
            if place < len(steps) and steps[place][1](character):
                following.add(place if steps[place][0] else place + 1)
        places = _skipping(steps, following)
        if not places:
            return False
    return len(steps) in places


def _skipping(steps: list[Step], places: set[int]) -> set[int]:
    """Return places, with those behind a step that may be taken no time at all."""
    found = set(places)
    for place in places:
        while place < len(steps) and steps[place][0]:
            place += 1
            found.add(place)
    return found
