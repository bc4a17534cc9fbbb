"""What can go wrong, in our words; adapters translate into these."""


class AutoRecoveryError(Exception):
    """Anything this product raises on purpose."""


class ConfigurationError(AutoRecoveryError):
    """The configuration cannot work; the message names place, expectation and suggestion."""


class StoreError(AutoRecoveryError):
    """A store did not answer, or refused; `retryable` says whether trying again can help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class NoticeError(AutoRecoveryError):
    """A channel did not take a notice; other channels and the recovery go on."""


class CommandNotStartedError(AutoRecoveryError):
    """It certainly did not start; `retryable` says whether sending again can help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class CommandUncertainError(AutoRecoveryError):
    """The request left and no answer came back: it may be running, or be done."""


class StepInterruptedError(AutoRecoveryError):
    """A step that must not run twice was begun and never finished; what it did is unknown."""


class ReadError(AutoRecoveryError):
    """A directory, metric or log could not be read; the caller treats the fact as unknown."""


class ChannelError(AutoRecoveryError):
    """A channel did not take a message; others go on.

    `retryable` says whether sending it again can help, `after` the seconds the channel asked to be
    left alone for.
    """

    def __init__(self, message: str, *, retryable: bool, after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.after = after


class AnalysisError(AutoRecoveryError):
    """A model gave no answer; the rule-based analyst takes its place.

    `billed` says whether the call may have cost something nevertheless.
    """

    def __init__(self, message: str, *, billed: bool) -> None:
        super().__init__(message)
        self.billed = billed


class SecretError(AutoRecoveryError):
    """A secret cannot be had; the message names its reference and the fix, never the value."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable
