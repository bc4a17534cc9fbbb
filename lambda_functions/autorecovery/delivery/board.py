"""A noticeboard that remembers: what is put up is written down before it is sent.

What is for some channels only goes to their queues and not on the board, where everybody reads.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from autorecovery.errors import NoticeError, StoreError
from autorecovery.models.delivery import Delivery, Outcome
from autorecovery.models.notice import Notice
from autorecovery.ports import Clock, Noticeboard, NoticeLog

Around = Callable[[Notice], Sequence[str]]
"""Puts a notice directly into the queues of its channels; returns which. May raise NoticeError."""


class RecordedBoard:
    """Noticeboard over another one, `via` which the record says that a notice was sent."""

    def __init__(
        self,
        inner: Noticeboard,
        via: str,
        log: NoticeLog,
        clock: Clock,
        around: Around | None = None,
    ) -> None:
        """`around` is the way to the channels beside the inner board, where there is one."""
        self._inner = inner
        self._via = via
        self._log = log
        self._clock = clock
        self._around = around

    def post(self, notice: Notice) -> None:
        """See Noticeboard.post."""
        self._log.record(notice)
        if notice.to and self._is_taken_by_all(notice):
            return
        try:
            self._inner.post(notice)
        except NoticeError as error:
            self._go_around(notice, error)
        else:
            # It has left. Were this to fail, the step would be repeated, and people told twice.
            with suppress(StoreError):
                self._note(notice, Outcome.DELIVERED)

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold. It is in the record like all others, with the reason."""
        self._log.record(notice, why)

    def _is_taken_by_all(self, notice: Notice) -> bool:
        """Return whether all whom it is for have it; otherwise rather everybody than not they."""
        if self._around is None:
            return False
        try:
            return set(notice.to) <= set(self._around(notice))
        except NoticeError:
            return False

    def _go_around(self, notice: Notice, error: NoticeError) -> None:
        taken: Sequence[str] = ()
        why = str(error)
        if self._around is not None:
            try:
                taken = self._around(notice)
            except NoticeError as another:
                why = f"{why}; {another}"
        with suppress(StoreError):
            told = f"{why}; told directly: {', '.join(taken)}" if taken else why
            self._note(notice, Outcome.GIVEN_UP, told)
        if not taken:
            raise NoticeError(why) from error

    def _note(self, notice: Notice, outcome: Outcome, detail: str = "") -> None:
        self._log.end(notice.id, Delivery(self._via, outcome, self._clock(), 1, detail))
