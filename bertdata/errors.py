"""The errors that users see: one readable line with what is wrong, the value and the way out.

BertdataError            the base; the command line prints it and exits 1
├── ConfigError          a wrong configuration or command; exits 2
├── InputError           a corpus, file or archive that cannot be read
├── VocabularyError      a vocabulary that cannot be trained, read or used
├── DataError            a shard, manifest or checkpoint that is damaged or of another run
├── MemoryUsedUpError    work that needs more memory than the machine has
├── StorageError         storage that does not answer or refuses; a second try may succeed
└── CrashError           a process that was killed, died or hangs; a second try may succeed
"""

from __future__ import annotations

from bertdata.printable import printable


class BertdataError(Exception):
    """Base of every error that users see: one line, even if it quotes names with line ends."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(BertdataError):
    """A wrong configuration value, key or command line."""


class InputError(BertdataError):
    """A corpus, file or archive that cannot be read."""


class VocabularyError(BertdataError):
    """A vocabulary that cannot be trained, read or used."""


class DataError(BertdataError):
    """A shard, manifest or checkpoint that is damaged or belongs to another run."""


class MemoryUsedUpError(BertdataError):
    """Work that needs more memory than the machine has."""


class StorageError(BertdataError):
    """Storage that does not answer or refuses to; a second try may succeed."""


class CrashError(BertdataError):
    """A process that was killed, died without an error, or hangs; a second try may succeed."""


_MAKE_AGAIN = "delete it and run again the command that made it"


def damaged_file(what: str) -> DataError:
    """The error for a file of a stage that is not as it was written. `what`: names the file."""
    return DataError(f"{what}; {_MAKE_AGAIN}")


def missing_file(file: object) -> DataError:
    """The error for a file of a stage that is no longer there."""
    return DataError(f"{file} is missing; run again the command that made it")


def damaged_one(what: str) -> DataError:
    """The error for one of a stage's files, where it is not known which one."""
    return DataError(f"{what}; find the file with bertdata verify, {_MAKE_AGAIN}")
