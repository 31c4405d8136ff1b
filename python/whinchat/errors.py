"""What can go wrong, as Python exceptions that carry the C library's one line of text."""


class WhinchatError(Exception):
    """The base of all errors of the library; str() of it is one line: what, where, expected, found."""


class ModelNotFoundError(WhinchatError, OSError):
    """No model of that name, neither a folder, nor shipped, nor in the Hugging Face cache."""


class BadFileError(WhinchatError, OSError):
    """A file of a model was read and is broken."""


class InputError(WhinchatError, ValueError):
    """The input of a call is refused: a picture that is none, a prompt too long, a value out of range."""


class UnsupportedError(WhinchatError, ValueError):
    """Legal, but this version or this model cannot do it."""


class TemplateError(WhinchatError, ValueError):
    """A chat template does not parse, or refuses the messages (raise_exception)."""


class OutOfMemoryError(WhinchatError, MemoryError):
    """It does not fit into memory."""


class CancelledError(WhinchatError):
    """The work was stopped by Model.cancel or by closing a stream."""


class ClosedError(WhinchatError, ValueError):
    """A model or pipeline was used after close()."""


class ForkError(WhinchatError, RuntimeError):
    """A model was used in a process forked after it was loaded; its threads are not there."""


class UnknownArgumentError(WhinchatError, TypeError, ValueError):
    """A keyword that nothing here understands (transformers raises a ValueError for these, Python a TypeError)."""
