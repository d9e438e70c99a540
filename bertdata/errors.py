"""The errors a user can meet, all with one readable line: what, the value, the way out.

BertdataError            the base; the command line prints it and exits 1
├── ConfigError          a configuration or command that cannot be meant; exits 2
├── InputError           a corpus, file or archive that cannot be read
├── VocabularyError      a vocabulary that cannot be trained, read or used
└── DataError            a shard, manifest or checkpoint that is damaged or does not belong here
"""

from __future__ import annotations


class BertdataError(Exception):
    """Base of every error meant for the user's eyes."""


class ConfigError(BertdataError):
    """A configuration value, key or command line that cannot be meant."""


class InputError(BertdataError):
    """A corpus, file or archive that cannot be read."""


class VocabularyError(BertdataError):
    """A vocabulary that cannot be trained, read or used."""


class DataError(BertdataError):
    """A shard, manifest or checkpoint that is damaged or does not belong here."""
