"""What people say in another process is passed on, whatever becomes of one word of it."""

import threading

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.mailbox import Mailbox
from local_runtime.attendant import Attendant


class ForgetfulResponses:
    """ResponseStarter that fails at what it does not know."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.heard_last = threading.Event()

    def start(self, incident_id: str) -> None:
        if incident_id == "unknown":
            raise KeyError(incident_id)
        self.heard.append(incident_id)

    def wake(self, token: str) -> None:
        self.heard.append(token)
        self.heard_last.set()


def test_one_word_that_fails_loses_none_of_the_others() -> None:
    mailbox, responses = Mailbox(Database(None)), ForgetfulResponses()
    mailbox.start("unknown")
    mailbox.start("inc-1")
    mailbox.wake("token")
    attendant = Attendant(mailbox, responses)
    assert responses.heard_last.wait(5)
    attendant.close()
    assert responses.heard == ["inc-1", "token"]
