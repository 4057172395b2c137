"""Notations whose symbols have several characters, by name, and patterns that find symbols. No torch."""

from __future__ import annotations

import re

SMILES = r"\[[^\[\]\s]+\]|Br|Cl|%[0-9]{2}|%\([0-9]+\)|>>"
"""Molecules (Weininger, 1988): bracket atoms, the elements of two letters that stand without brackets, ring closures
above 9, the arrow of a reaction. Everything else is one character."""

_OF_A_TUNE = (
    r'"[^"\n]*"',  # a chord's name, an annotation
    r"![^!\s]+!",  # a decoration
    r"\[[A-Za-z]:[^\]\n]*\]",  # a field within a tune
    r"[KLMQ]:[^\n|\]]*",  # key, length of a note, meter and tempo with their values
    r"[HINOPRSTUVWw]:",  # other fields' names; those that could be notes, such as A: in A:|, are not among them
    r":+\|+(?::+|[0-9\]])?|\|+(?::+|[0-9\]])?|::+|\[\||\[[0-9]",  # bars, repeats, endings
    r"\([2-9](?::[0-9]*){0,2}",  # a tuplet
    r"(?:\^{1,2}|_{1,2}|=)?[A-Ga-g][',]*[0-9]*(?:/+[0-9]*)?",  # a note: accidental, octave, length
    r"[zxZX][0-9]*(?:/+[0-9]*)?",  # a rest
    r"<+|>+",  # a broken rhythm
)
ABC = "|".join(_OF_A_TUNE)
"""Melodies (the ABC standard 2.1), as the parts of which a tune's line is made. What is in no part is one
character."""

NOTATIONS = {"smiles": SMILES, "abc": ABC}


def compiled(pattern: str) -> re.Pattern[str]:
    """The expression that a notation's name or a pattern means. Raises ValueError, which begins with the key."""
    try:
        found = re.compile(NOTATIONS.get(pattern, pattern))
    except (re.error, OverflowError, RecursionError) as error:
        known = " nor ".join(NOTATIONS)
        raise ValueError(f"pattern: {pattern[:80]!r} is neither {known} nor a regular expression ({error})") from error
    if found.fullmatch(""):
        raise ValueError(f"pattern: {pattern[:80]!r} matches nothing at all, the empty text: write + where it has *")
    return found
