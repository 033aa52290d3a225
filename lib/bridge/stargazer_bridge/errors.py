"""What can go wrong, or turn out to be nothing to do, in words of the bridge's own."""


class Skipped(Exception):
    """Raised by a job that finds nothing to do: the run counts as skipped, not as failed."""


class NotInstalled(Skipped):
    """A module of the job is not there."""


class Stopped(BaseException):
    """Raised in a plain function that is to end. Not an Exception, so that a job does not swallow it by accident."""


class ProviderError(Exception):
    """An object that a job needs could not be made. The message names its provider."""


class NoProvider(ProviderError):
    """Nobody has said where the object comes from."""


class LeaseError(Exception):
    """The lease could not be verified, or a write under it was refused: `code` says why (docs/workers.md)."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
