"""Texts: to the terminal as they come, or into one file; and how likely the model finds texts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from multigan.errors import UserError
from multigan.files import replacing
from multigan.making.maker import PART, Maker
from multigan.runtime.language import Score, Text
from multigan.runtime.texts import BATCH, check_count

TABLES = ("csv", "tsv", "json", "parquet")
"""Who asks for these means a file, and no folder that is called so."""


class Texts(Maker):
    """A line for each text: plain, with its class before a tab where classes take turns, or a JSON object."""

    many = "texts"
    formats = ("txt", "jsonl")
    takes = frozenset({"prompt", "gap", "temperature", "top_k", "top_p", "length", "score"})
    most = 100_000_000

    def check(self) -> None:
        options = self.options
        self.batch = BATCH if options.batch is None else options.batch
        if not (options.together and options.singles):
            raise UserError("--no-grid and --no-singles are for pictures and sounds, and this model makes texts.")
        if options.score is not None:
            drawn = ("prompt", "gap", "temperature", "top_k", "top_p", "length")
            told = next((name for name in drawn if getattr(options, name) is not None), None)
            if told:
                raise UserError(f"--score judges texts that are there: leave --{told.replace('_', '-')} away.")
        self.path = None if options.out is None else self._path(options.out)
        self.silent = self.path is not None

    def _path(self, out: Path) -> Path:
        """The file to write: `out`, or one named by the seed in that folder."""
        suffix = out.suffix.removeprefix(".")
        if suffix in TABLES:
            raise UserError(f"{out}: texts are written as .txt or .jsonl, or into a folder: rename the file.")
        if suffix not in self.formats:
            what = "scores" if self.options.score is not None else f"seed{self.options.seed}"
            return out / f"{what}.{self.format}"
        if self.options.format is None:
            self.format = suffix
        elif self.format != suffix:
            raise UserError(
                f"--format {self.format} and the file {out} differ: leave --format away or rename the file."
            )
        return out

    def make(self, n: int) -> Iterator[str]:
        options = self.options
        if options.score is not None:
            return self._put(self._scores(options.score), "scores")
        check_count("n", n, self.most)
        return self._put(self._lines(self.parts(n)), f"{n} texts")

    def _lines(self, parts: Iterable[list[Text]]) -> Iterator[str]:
        for part in parts:
            self.progress(len(part))
            yield from map(self._line, part)

    def parts(self, n: int) -> Iterator[list[Text]]:
        """The texts themselves, some at a time."""
        options = self.options
        chances: list[tuple[str, Any]] = [
            ("temperature", options.temperature),
            ("top_k", options.top_k),
            ("top_p", options.top_p),
        ]
        return self.generator.text_batches(
            n,
            options.seed,
            options.prompt,
            length=options.length,
            label=self.classes[0] if self.classes and len(self.classes) == 1 else self._in_turn(n),
            batch=self.batch,
            start=options.start,
            gap=options.gap,
            **{name: value for name, value in chances if value is not None},
        )

    def _put(self, lines: Iterable[str], what: str) -> Iterator[str]:
        """The lines themselves, or, once they are in the file, a sentence on it."""
        if self.path is None:
            yield from lines
            return
        # Half a character, as a broken argument or a stranger's class may have, stands as on a terminal: \ud800.
        how: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
        with replacing(self.path) as temporary, temporary.open("w", **how) as file:
            file.writelines(f"{line}\n" for line in lines)
        yield f"{what}: {self.path}"

    def _line(self, made: Text) -> str:
        if self.format == "jsonl":
            told = {
                "seed": self.options.seed,
                "number": made.number,
                "label": made.label,
                "text": made.text,
                "log_probability": made.log_probability,
            }
            return json.dumps(told, ensure_ascii=False)
        turns = made.label is not None and (self.classes is None or len(self.classes) > 1)
        return f"{one_line(str(made.label))}\t{one_line(made.text)}" if turns else one_line(made.text)

    def _scores(self, source: str) -> Iterator[str]:
        """A line for each text of a file, or for the one text that `source` is, and one for all."""
        plain = self.format == "txt"
        total, symbols, count = 0.0, 0, 0
        told = self.classes is None and bool(self.generator.contract.labels)
        texts = _texts(source, told)
        while part := list(islice(texts, PART)):
            labels = [label for label, _ in part] if told else self._in_turn(len(part), count)
            scores = self.generator.score([text for _, text in part], labels, self.batch)
            if plain and not count:
                yield f"{'perplexity':>12}  {'log-probability':>15}  symbols  text"
            for (_, text), score in zip(part, scores, strict=True):
                total, symbols, count = total + score.log_probability, symbols + score.symbols, count + 1
                yield _row(score, text) if plain else json.dumps({"text": text, **score._asdict()}, ensure_ascii=False)
        if not count:
            raise UserError(f"{source} holds no texts: write one a line.")
        if plain and count > 1:
            yield _row(Score(total, symbols, math.exp(min(-total / symbols, 700.0))), f"({count} texts together)")

    def _in_turn(self, count: int, first: int = 0) -> list[str] | None:
        """The classes that were asked for, of the samples from `first` on."""
        return self.classes and [self.classes[(first + index) % len(self.classes)] for index in range(count)]

    def way(self, seeds: list[int], steps: int) -> list[str]:
        raise UserError("--interpolate goes from latent to latent, and a generator of texts has none: leave it away.")


def one_line(text: str) -> str:
    """A text with its line breaks as backslash and n or r; .jsonl keeps them as they are."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _row(score: Score, text: str) -> str:
    return f"{score.perplexity:12.2f}  {score.log_probability:15.3f}  {score.symbols:7}  {one_line(text)}"


def _texts(source: str, labelled: bool) -> Iterator[tuple[str, str]]:
    """The class, if it is told, and the text of each line of a file, or the text itself where there is no such file.

    labelled: a class before a tab, or under `label` in .jsonl, as `make` writes them; else all of a line is text. Empty
    lines are left out. Raises UserError where the file cannot be read or a class is missing.
    """
    path = Path(source)
    if _is(path, Path.is_dir):
        raise UserError(f"{source} is a folder: give a file with a text a line, or a text.")
    if not _is(path, Path.is_file):
        if path.suffix in (".txt", ".jsonl"):
            raise UserError(f"{source} does not exist: give a file with a text a line, or a text.")
        if labelled:
            raise UserError("how likely a text is depends on its class: say which with --label.")
        yield "", source
        return
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                line = line.removesuffix("\n").removesuffix("\r")
                if line:
                    yield _told(line, path, number, labelled)
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{source} is no text in UTF-8: save it as such.") from error


def _is(path: Path, asked: Callable[[Path], bool]) -> bool:
    try:
        return asked(path)
    except (OSError, ValueError):  # a text too long for a name, or with a character that no name has
        return False


def _told(line: str, path: Path, number: int, labelled: bool) -> tuple[str, str]:
    """Class and text of one line."""
    label: Any
    text: Any
    if path.suffix == ".jsonl":
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        label, text = (found.get("label"), found.get("text")) if isinstance(found, dict) else (None, None)
    else:
        label, tab, text = line.partition("\t") if labelled else ("", "", line)
        label = label if tab or not labelled else None
    if not isinstance(text, str):
        raise UserError(f"{path}, line {number}: no object with a text under the key text.")
    if labelled and not isinstance(label, str):
        raise UserError(f"{path}, line {number}: no class: write it before a tab, or give --label.")
    return (label if labelled else ""), text


MAKER = Texts
