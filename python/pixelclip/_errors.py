"""Exceptions of the library. Each carries the sentence that the program prints."""


class Error(Exception):
    """Any error that the library reports: what is wrong, where, and what to do."""


class InvalidInputError(Error, ValueError):
    """A file, key, name or argument that cannot be used as it is."""


class NotFoundError(Error, FileNotFoundError):
    """A file, data set or name that does not exist."""


class TooLargeError(Error, ValueError):
    """More than a limit allows."""


class UnavailableError(Error, RuntimeError):
    """A device, a disk or a part of the build that cannot be used here."""
