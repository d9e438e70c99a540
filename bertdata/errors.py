"""The errors a user can meet, all with one readable line: what, the value, the way out.

BertdataError            the base; the command line prints it and exits 1
├── ConfigError          a configuration or command that cannot be meant; exits 2
├── InputError           a corpus, file or archive that cannot be read
├── VocabularyError      a vocabulary that cannot be trained, read or used
├── DataError            a shard, manifest or checkpoint that is damaged or does not belong here
├── MemoryUsedUpError    work that needs more memory than there is
└── CrashError           a process that was killed, died or hangs; worth another try
"""

from __future__ import annotations

from bertdata.printable import printable


class BertdataError(Exception):
    """Base of every error meant for the user's eyes: one line, whatever names are in it."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(BertdataError):
    """A configuration value, key or command line that cannot be meant."""


class InputError(BertdataError):
    """A corpus, file or archive that cannot be read."""


class VocabularyError(BertdataError):
    """A vocabulary that cannot be trained, read or used."""


class DataError(BertdataError):
    """A shard, manifest or checkpoint that is damaged or does not belong here."""


class MemoryUsedUpError(BertdataError):
    """Work that needs more memory than there is."""


class CrashError(BertdataError):
    """A process that was killed, died without a reason, or hangs. Worth another try."""
