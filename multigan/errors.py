"""The one exception that means: the user can mend this."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that its maker can mend: one sentence that names the key, file or value, and the mend.

    The command line prints it without a traceback and leaves with exit code 2. In Python it is an ordinary exception.
    """


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause that names the known word nearest to `word` (" Did you mean 'width'?"), or nothing if none is near."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""
