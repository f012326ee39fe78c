"""The errors that reach a user, each with the exit status of the commands.

A message says what was expected, what was got and how to mend it, in one line.
"""


class SweepError(Exception):
    """Root of every error that skysweep raises on purpose."""

    exit_code = 1

    @property
    def reason(self) -> str:
        """Why, without what it is about; errors are counted by it."""
        return str(self)


class ConfigError(SweepError, ValueError):
    """The configuration, or an input file that it names, cannot be used."""

    exit_code = 2


class MissingError(ConfigError):
    """What a result is `of`, as `experiment 1a2b3c4d`, does not have what it needs."""

    def __init__(self, of: str, reason: str) -> None:
        super().__init__(of, reason)

    @property
    def reason(self) -> str:
        """Why, without what it is about."""
        return self.args[1]

    def __str__(self) -> str:
        return ": ".join(self.args)


class StoreError(SweepError):
    """The store cannot be read or written as asked."""

    exit_code = 3


class IncompleteError(SweepError):
    """The sweep ended, but some of its units or fits are missing or failed."""

    exit_code = 4
