"""Text from outside, made safe to print."""

from __future__ import annotations


def printable(text: object) -> str:
    """``text`` with an escape such as ``\\x1b`` for every character that a terminal may obey, or that XML forbids."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


def in_one_line(text: str) -> str:
    """``text`` made printable, its lines joined, without a stop or a colon at its end: for a sentence that goes on."""
    return printable(" ".join(text.split())).rstrip(" .:")
