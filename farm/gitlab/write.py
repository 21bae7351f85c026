"""A definition as the text of a `.farm.yml`: short forms where there are some. It checks nothing."""

from collections.abc import Mapping
from typing import Any

import yaml


class _Writer(yaml.SafeDumper):
    """Writes text of several lines as a block, and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the same value twice is written twice
        return True


def _text(writer: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Writer.add_representer(str, _text)
# `on` is text for the farm, whatever YAML 1.1 makes of it; so it needs no quotes.
_Writer.yaml_implicit_resolvers = {
    letter: found for letter, found in yaml.SafeDumper.yaml_implicit_resolvers.items() if letter != "o"
}


def write(document: Mapping[str, Any]) -> str:
    """Return the text."""
    if not document:
        return ""
    return yaml.dump(
        dict(document), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False
    )
