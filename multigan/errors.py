"""The one exception that means: the user can mend this."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that its maker can mend: one sentence that names the key, file or value, and the mend.

    The command line prints it without a traceback and leaves with exit code 2. In Python it is an ordinary exception.
    """


class AbsentColumnError(UserError):
    """Data lacks a column that is named. key: of the recipe's data, such as `label_column`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class LimitError(UserError):
    """A model goes beyond a limit. what: a clause that says which, for those who know another mend than `mend`."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}: {mend}.")
        self.what, self.mend = what, mend


def printable(text: str) -> str:
    """`text` as it may be shown on a terminal: each control character, invisible mark and line break is U+FFFD.

    What a file says of itself could otherwise move the cursor, change colours or turn the order of the letters around.
    """
    return "".join("\ufffd" if unicodedata.category(letter) in _UNSEEN else letter for letter in text)


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause that names the known word nearest to `word` (" Did you mean 'width'?"), or nothing if none is near."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""
