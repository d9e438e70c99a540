"""The arguments of a template."""

from __future__ import annotations

from collections.abc import Iterable


class Arguments(dict[str, str]):
    """Values by name; values without a name by their number from "1", as in MediaWiki."""

    @property
    def numbered(self) -> list[str]:
        """The values of "1", "2" and so on, up to the first missing number."""
        values: list[str] = []
        while (value := self.get(str(len(values) + 1))) is not None:
            values.append(value)
        return values


def parse_arguments(parts: Iterable[str]) -> Arguments:
    """The arguments of {{name|part|part}}, each "value" or "name=value".

    parse_arguments(["a", "b=c", "d"]) -> {"1": "a", "b": "c", "2": "d"}
    """
    arguments = Arguments()
    number = 0
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            number += 1
            name, value = str(number), part
        arguments[name.strip()] = value.strip()
    return arguments
