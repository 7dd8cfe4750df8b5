"""Every error edsnb raises on purpose.

Each message says what was asked, what was found and what to do, in one line::

    EdsnbError
    ├── InputError            an argument or setting cannot be used as given
    │   ├── ElementError      unknown element, or one with no line in the energy range
    │   └── KFactorError      k-factors missing, unreadable or of the wrong convention
    ├── FileFormatError       a file cannot be read as what it should be
    │   └── NoMapError        the file is fine but holds no spectrum image
    ├── OutputError           a result cannot be written
    └── CancelledError        the caller's progress function asked to stop

`EdsnbWarning` marks results that are valid but should be looked at.
"""


class EdsnbError(Exception):
    """Base of all expected failures; the command line prints it as one line and exits with 2."""


class InputError(EdsnbError, ValueError):
    """An argument or setting cannot be used as given."""


class ElementError(InputError):
    """An element is unknown, or has no line where one is needed."""


class KFactorError(InputError):
    """k-factors are missing, unreadable, or belong to another convention."""


class FileFormatError(EdsnbError):
    """A file cannot be read as what it should be."""


class NoMapError(FileFormatError):
    """The file holds no spectrum image; the message says what it does hold."""


class OutputError(EdsnbError):
    """A result cannot be written where it was asked for."""


class CancelledError(EdsnbError):
    """The caller's ``progress`` function returned False: the work was stopped, nothing was kept."""


class EdsnbWarning(UserWarning):
    """A result stands, but something about it should be looked at; the message says what."""
