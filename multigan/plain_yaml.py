"""YAML as recipes use it: data only, scalars as in YAML 1.2, duplicate keys refused.

YAML 1.1, which PyYAML follows, reads `2e-4` as text, `no` as false and `12:30` as 750. Here a number is a number (also
`1e6`, a whole one, and `1_000_000`), `true` and `false` are the only booleans, and everything else is text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from multigan.errors import UserError

_INT = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*(?:[eE]\+?[0-9]{1,2})?$")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)$")
_NULL = re.compile(r"(?:~|null|Null|NULL|)$")
_SCALARS = (
    ("bool", _BOOL, "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("null", _NULL, ["~", "n", "N", ""]),
)


_LARGE = 2**17
"""From so many characters on libyaml is used, where PyYAML has it, which is several times as fast. What people write is
shorter, and the sentences on it are those of PyYAML's own parser."""


class _Reading(yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """What a node of a recipe means."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        # An explicit tag (`!!int x`) would bypass the patterns above, and PyYAML's own constructors stumble.
        if isinstance(node, yaml.ScalarNode):
            usual = {
                self.resolve(yaml.ScalarNode, node.value, (plain, not plain))  # type: ignore[no-untyped-call]
                for plain in (True, False)
            }
        else:
            usual = {self.resolve(type(node), None, True)}  # type: ignore[no-untyped-call]
        if node.tag not in usual:
            raise yaml.constructor.ConstructorError(
                None, None, f"the tag {node.tag!r} is not one that a recipe needs: leave it away", node.start_mark
            )
        return super().construct_object(node, deep)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def whole(self, node: yaml.ScalarNode) -> int:
        mantissa, _, exponent = node.value.replace("_", "").lower().partition("e")
        return int(mantissa) * int(10 ** int(exponent or 0))

    def real(self, node: yaml.ScalarNode) -> float:
        text = node.value.lower()
        return float(text.replace(".", "") if text.endswith(("inf", "nan")) else text)


class _Loader(_Reading, yaml.SafeLoader):
    pass


class _FastLoader(_Reading, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    pass


class _Writing(yaml.representer.SafeRepresenter, yaml.resolver.Resolver):
    """Quotes what either version of YAML would take for something else than text; writes short mappings on one line."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = node.flow_style and len(node.value) <= 4
        return node

    def represent_str(self, data: str) -> yaml.ScalarNode:
        escaped = len(data.splitlines()) > 1 or data != data.rstrip("\n\r\x85\u2028\u2029")
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if escaped else None)


class _Dumper(_Writing, yaml.SafeDumper):
    pass


class _FastDumper(_Writing, getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    pass


for _name, _pattern, _first in _SCALARS:
    for _kind in (_Loader, _FastLoader, _Dumper, _FastDumper):
        _kind.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, list(_first))
for _writer in (_Dumper, _FastDumper):
    _writer.add_representer(str, _writer.represent_str)
_readers: tuple[Any, ...] = (_Loader, _FastLoader)
for _reader in _readers:
    _reader.add_constructor("tag:yaml.org,2002:int", _reader.whole)
    _reader.add_constructor("tag:yaml.org,2002:float", _reader.real)


def loads(text: str, where: str) -> Any:
    """The data in a YAML text. Raises UserError, which begins with `where`, where it is not one plain YAML document."""
    try:
        return yaml.load(text, _Loader if len(text) < _LARGE else _FastLoader)  # noqa: S506 - SafeLoaders
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{where}{line}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{where}: not a YAML text ({' '.join(str(error).split())}).") from error
    except RecursionError as error:
        raise UserError(f"{where}: nested too deeply for a recipe.") from error


def dumps(mapping: Mapping[str, Any]) -> str:
    """A YAML text of plain data, keys in their order, the innermost lists and short mappings on one line each."""
    dumper = _Dumper if _count(mapping) < _LARGE // 16 else _FastDumper
    return yaml.dump(mapping, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _count(value: Any) -> int:
    """How many values plain data holds."""
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return 1 + sum(map(_count, inside))
