"""What is wrong with a recipe, in one sentence: the key, the value, what is expected, and the nearest known word."""

from __future__ import annotations

import reprlib
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from multigan.errors import nearest

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_NAMES: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60
_BRIEF.maxdict, _BRIEF.maxlist, _BRIEF.maxlevel = 3, 4, 2

Path = tuple[str | int, ...]


def short(value: Any) -> str:
    """A value as a sentence can hold it, as YAML writes the plain ones."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    try:
        return " ".join(_BRIEF.repr(value).split())
    except ValueError:  # an integer with more digits than Python writes
        return "a number of thousands of digits"


def sentence(model: type[BaseModel], mapping: Mapping[str, Any], error: ValidationError) -> str:
    """The most telling of the errors that validating `mapping` as `model` gave."""
    found = [(_path(each["loc"], mapping, each["type"]), dict(each)) for each in error.errors(include_url=False)]
    path, chosen = _choose(found)
    return _words(model, mapping, path, chosen)


def _path(location: tuple[int | str, ...], mapping: Any, kind: str) -> Path:
    """The keys of an error's location, without the names of union members that pydantic puts between them."""
    keys: list[str | int] = []
    place, told = mapping, None
    for position, key in enumerate(location):
        last = position == len(location) - 1
        if isinstance(place, Mapping) and key == place.get("kind") and place is not told:
            told = place  # the member's name comes first, and may be that of one of its keys
        elif isinstance(place, Mapping) and isinstance(key, str) and (key in place or (last and kind == "missing")):
            keys.append(key)
            place = place.get(key)
        elif isinstance(place, list | tuple) and isinstance(key, int):
            keys.append(key)
            place = place[key] if key < len(place) else None
    return tuple(keys)


def _choose(found: list[tuple[Path, dict[str, Any]]]) -> tuple[Path, dict[str, Any]]:
    """An unknown key before all, since a missing one may be its consequence; of a union's errors the deepest, and a
    value out of range before another member's type."""
    for path, error in found:
        if error["type"] == "extra_forbidden":
            return path, error
    first = found[0][0]
    related = [each for each in found if each[0][: len(first)] == first]
    return max(related, key=lambda each: (len(each[0]), each[1]["type"] == "value_error"))


def _words(model: type[BaseModel], mapping: Mapping[str, Any], path: Path, error: dict[str, Any]) -> str:
    name = ".".join(map(str, path))
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "json_invalid":  # the only way for plain data not to be JSON
        return "a text in it holds half of a Unicode character."
    annotation, owner = _at(model, mapping, path)
    if kind == "extra_forbidden":
        return _unknown(model, mapping, path)
    if kind == "value_error":
        return _own(name, str(context["error"]), owner if not path else _model(annotation, value))
    if kind == "union_tag_not_found":
        return f"{name}.kind is missing: one of {', '.join(_kinds(annotation))}."
    if kind == "union_tag_invalid":
        kinds = _kinds(annotation)
        near = nearest(context["tag"], kinds)
        return f"{name}.kind is {short(value['kind'])}: expected one of {', '.join(kinds)}.{near}"
    expected = _expected(annotation)
    if kind == "missing":
        return f"{name} is missing: expected {expected}."
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        expected = f"{words} {context[key]}"
    elif kind in ("string_too_long", "string_too_short"):
        bound = context.get("max_length", context.get("min_length"))
        expected = f"{'at most' if 'max_length' in context else 'at least'} {bound} characters"
    elif kind == "string_pattern_mismatch":
        expected = f"text that matches {context['pattern']}"
    elif not expected:
        expected = error["msg"][:1].lower() + error["msg"][1:]
    return f"{name + ' is ' + short(value) if path else short(value)}: expected {expected}.{_hint(annotation, value)}"


def _hint(annotation: Any, value: Any) -> str:
    """The mend where the value nearly is what is expected: the nearest word, or quotes to add or to remove."""
    types = _flat(annotation)
    choices = [choice for each in types if get_origin(each) is Literal for choice in get_args(each)]
    if isinstance(value, str):
        unquoted = any(each in (int, float) for each in types) and value.replace(".", "", 1).isdecimal()
        if unquoted or value in map(str, choices):
            return f" Write {value} without quotes."
        return nearest(value, [each for each in choices if isinstance(each, str)])
    if str in types and isinstance(value, int | float) and not isinstance(value, bool):
        return f" Write '{short(value)}' in quotes."
    return ""


def _own(name: str, text: str, model: type[BaseModel] | None) -> str:
    """A validator's own sentence; where it begins with one of the model's keys, the key's whole path is written."""
    text = text if text.endswith((".", "?", "!")) else f"{text}."
    first = text.split(":")[0].split(".")[0]
    if model and first in model.model_fields:
        return f"{name}.{text}" if name else text
    return f"{name}: {text}" if name else text


def _unknown(model: type[BaseModel], mapping: Mapping[str, Any], path: Path) -> str:
    """An unknown key: the nearest known one at its place, or the kind that has it, or all known ones."""
    *above, key = path
    annotation, _ = _at(model, mapping, tuple(above))
    place: Any = mapping
    for each in above:
        place = place[each]
    known = _model(annotation, place) or model
    kind = f" (kind {get_args(known.model_fields['kind'].annotation)[0]})" if "kind" in known.model_fields else ""
    near = nearest(str(key), known.model_fields)
    if not near:
        others = [each for each in _models(annotation) if key in each.model_fields and "kind" in each.model_fields]
        if others:
            kinds = ", ".join(get_args(each.model_fields["kind"].annotation)[0] for each in others)
            near = f" Kind {kinds} has it."
            if above and "kind" in place:  # it may have come with the kind that was there before
                part = ".".join(map(str, above))
                near += f" Leave it away; --set '{part}={{kind: {place['kind']}}}' changes the whole part."
        else:
            near = f" Known keys: {', '.join(known.model_fields)}."
    return f"unknown key {'.'.join(map(str, path))}{kind}.{near}"


def _at(model: type[BaseModel], mapping: Any, path: Path) -> tuple[Any, type[BaseModel] | None]:
    """The type that is declared at a path, and the model whose field it is."""
    annotation: Any = model
    owner: type[BaseModel] | None = model
    place = mapping
    for key in path:
        if isinstance(key, int):
            annotation = _item(annotation, key)
        else:
            owner = _model(annotation, place)
            field = owner.model_fields.get(key) if owner else None
            annotation = Annotated[field.annotation, *field.metadata, field] if field else None
        try:
            place = place[key]
        except (KeyError, IndexError, TypeError):
            place = None
    return annotation, owner


def _flat(annotation: Any) -> list[Any]:
    """The members of a union, without what annotates them, and without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _flat(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [each for member in get_args(annotation) for each in _flat(member)]
    return [] if annotation in (None, type(None)) else [annotation]


def _item(annotation: Any, index: int) -> Any:
    """The type of an item of the list or tuple that an annotation holds."""
    for each in _flat(annotation):
        arguments = get_args(each)
        if get_origin(each) is tuple:
            return arguments[min(index, len(arguments) - 1)]
        if get_origin(each) is list:
            return arguments[0]
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [each for each in _flat(annotation) if isinstance(each, type) and issubclass(each, BaseModel)]


def _model(annotation: Any, value: Any) -> type[BaseModel] | None:
    """The model that a value at this place means: by its `kind`, else the only one."""
    models = _models(annotation)
    kind = value.get("kind") if isinstance(value, Mapping) else None
    for each in models:
        field = each.model_fields.get("kind")
        if field and kind in get_args(field.annotation):
            return each
    return models[0] if len(models) == 1 else None


def _kinds(annotation: Any) -> list[str]:
    """The kinds of a union of models."""
    return [
        get_args(each.model_fields["kind"].annotation)[0] for each in _models(annotation) if "kind" in each.model_fields
    ]


def _expected(annotation: Any) -> str:
    """A type in words."""
    words = []
    kinds = _kinds(annotation)
    if kinds:
        return f"a mapping with a kind, one of {', '.join(kinds)}"
    for each in _flat(annotation):
        if get_origin(each) is Literal:
            words.append(", ".join(map(str, get_args(each))))
        elif get_origin(each) is list:
            words.append(f"a list, each of it {_expected(get_args(each)[0])}")
        elif get_origin(each) is tuple:
            words.append(f"a list of {len(get_args(each))}, each of it {_expected(get_args(each)[0])}")
        elif isinstance(each, type) and issubclass(each, BaseModel):
            required = [name for name, field in each.model_fields.items() if field.is_required()]
            words.append(
                f"a mapping such as {{{', '.join(f'{name}: ...' for name in required or list(each.model_fields)[:3])}}}"
            )
        elif each in _NAMES:
            words.append(_NAMES[each])
    return " or ".join(words)
