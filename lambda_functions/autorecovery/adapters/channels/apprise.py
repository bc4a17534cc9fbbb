"""Any other service, by an Apprise address; the package is an optional extra, loaded when used."""

import logging
from collections.abc import Callable

from autorecovery.adapters.channels.posting import value_of
from autorecovery.adapters.secrets import Secret
from autorecovery.errors import ChannelError
from autorecovery.models.delivery import Thread
from autorecovery.models.notice import Notice
from autorecovery.models.reason import Level

INSTALL = "pip install 'autorecovery[apprise]'"

_TYPES = {
    Level.INFO: "info",
    Level.WARNING: "warning",
    Level.ERROR: "failure",
    Level.CRITICAL: "failure",
}


class AppriseChannel:
    """Channel over one Apprise address: each notice is a message of its own."""

    def __init__(
        self,
        name: str,
        url: Secret,
        subject_of: Callable[[Notice], str],
        text_of: Callable[[Notice], str],
    ) -> None:
        self.name = name
        self._url = url
        self._subject_of = subject_of
        self._text_of = text_of

    def send(self, notice: Notice, thread: Thread | None) -> None:
        """See Channel.send. Apprise says that a message was not taken, and not why."""
        try:
            import apprise
        except ModuleNotFoundError as error:
            told = f"the package apprise is not installed here: {INSTALL}"
            raise ChannelError(told, retryable=False) from error
        # It logs addresses, which carry secrets.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        service = apprise.Apprise()
        if not service.add(value_of(self._url)):
            told = f"Apprise cannot read the address in {self._url.reference}; correct it there"
            raise ChannelError(told, retryable=False)
        taken = service.notify(
            body=self._text_of(notice),
            title=self._subject_of(notice),
            notify_type=apprise.NotifyType(_TYPES[notice.level]),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not taken:
            raise ChannelError("Apprise: the service did not take it", retryable=True)
