"""A definition as the text of a `.farm.yml`: short forms where there are some. It checks nothing."""

import re
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


def write(document: Mapping[str, Any]) -> str:
    """Return the text."""
    if not document:
        return ""
    text = yaml.dump(
        dict(document), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False
    )
    return re.sub(r"^'on':", "on:", text, flags=re.MULTILINE)  # text for the farm, whatever YAML 1.1 makes of it
