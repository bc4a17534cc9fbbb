"""What is said at a response_url: for half an hour it changes the message of a pressed button."""

from collections.abc import Mapping
from typing import Any

from autorecovery.adapters.channels.posting import Posting
from autorecovery.errors import ChannelError

HOOKS = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")


class SlackResponses:
    """Says something at a response_url of Slack's, and nowhere else."""

    def __init__(self, posting: Posting, allowed: tuple[str, ...] = HOOKS) -> None:
        self._posting = posting
        self._allowed = allowed

    def __call__(self, url: str, content: Mapping[str, Any]) -> None:
        """Say it; ChannelError where it was not taken, and what was decided stands all the same."""
        # Whoever knew the signing secret could else have us call any address inside the network.
        if not url.startswith(self._allowed):
            raise ChannelError("the response_url is not one of Slack's", retryable=False)
        answer = self._posting.post(url, dict(content), "Slack")
        if answer.status >= 300:
            raise ChannelError(f"Slack: HTTP {answer.status}", retryable=answer.status >= 500)
