"""Mails as a channel: a report when an incident is over, and what cannot wait for its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from autorecovery.errors import ChannelError, ReadError, StoreError
from autorecovery.models.delivery import Thread
from autorecovery.models.digest import Digest
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.report import Report
from autorecovery.notices import mail
from autorecovery.notices.text import Wording
from autorecovery.ports import Mailer

AS_THEY_ARE = (NoticeKind.ESCALATED, NoticeKind.MESSAGE, NoticeKind.DIGEST, NoticeKind.STORM)
"""Kinds that are mailed as they are; of a storm only its end, for the rest is told elsewhere."""


@dataclass(frozen=True)
class MailChannel:
    """Channel of mails with a report in them; a mail cannot be changed, so it keeps no thread."""

    name: str
    mailer: Mailer
    mail_from: str
    to: Sequence[str]
    wording: Wording
    report: Callable[[str], Report]
    """Gathers the report of an incident; LookupError where nobody knows it."""
    digest: Callable[[datetime], Digest] | None = None
    """Gathers the digest that ends at a moment; without it a digest is mailed as a notice."""

    def send(self, notice: Notice, thread: Thread | None) -> Thread | None:
        """Mail it, where it is for mail; ChannelError where the mail was not taken."""
        try:
            written = self._write(notice)
        except (StoreError, ReadError) as error:
            # What it is written from may be there again in a minute; the notice is not lost.
            raise ChannelError(f"nothing to report from: {error}", retryable=True) from error
        if written is not None:
            self.mailer.send(self.mail_from, self.to, written.subject, written.text, written.html)
        return None

    def _write(self, notice: Notice) -> mail.Mail | None:
        if notice.kind is NoticeKind.DIGEST and self.digest:
            return mail.of_digest(self.digest(notice.at), self.wording)
        if notice.kind is NoticeKind.STORM and not (notice.is_end or self._is_named_in(notice)):
            return None
        if notice.kind in AS_THEY_ARE or self._is_named_in(notice):
            return mail.of_notice(notice, self.wording)
        return self._report_of(notice) if notice.is_end else None

    def _is_named_in(self, notice: Notice) -> bool:
        """Return whether it is meant for this channel by name: an escalation, a fallback, a try."""
        return self.name in notice.to

    def _report_of(self, notice: Notice) -> mail.Mail:
        """Return the report; the notice itself where the incident is known to nobody any more."""
        try:
            return mail.of_report(self.report(notice.incident_id), self.wording)
        except LookupError:
            return mail.of_notice(notice, self.wording)
