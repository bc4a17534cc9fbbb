"""Notices put up on an SNS topic: text for e-mail, JSON for programs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from autorecovery.adapters.aws.errors import code_of
from autorecovery.errors import NoticeError
from autorecovery.models.canary import CANARY
from autorecovery.models.notice import Notice
from autorecovery.ports import Noticeboard

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsNoticeboard:
    """Noticeboard over one SNS topic."""

    def __init__(
        self,
        client: "SNSClient",
        topic_arn: str,
        subject_of: Callable[[Notice], str],
        message_of: Callable[[Notice], str],
    ) -> None:
        """`message_of` gives the JSON document that `MessageStructure=json` takes."""
        self._client = client
        self._topic_arn = topic_arn
        self._subject_of = subject_of
        self._message_of = message_of

    def post(self, notice: Notice) -> None:
        """See Noticeboard.post."""
        if not self._topic_arn:
            raise NoticeError("SNS_TOPIC_ARN is not set")
        try:
            self._client.publish(
                TopicArn=self._topic_arn,
                Subject=self._subject_of(notice),
                Message=self._message_of(notice),
                MessageStructure="json",
                MessageAttributes={
                    "level": {"DataType": "String", "StringValue": notice.level},
                    "kind": {"DataType": "String", "StringValue": notice.kind},
                },
            )
        except ClientError as error:
            raise NoticeError(f"SNS: {code_of(error)}") from error
        except BotoCoreError as error:
            raise NoticeError(f"SNS: {error}") from error

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold. A topic remembers nothing."""


class CanaryAside:
    """Noticeboard that keeps the canary's notices from people: they go to its own board, if any."""

    def __init__(self, people: Noticeboard, canary: Noticeboard | None) -> None:
        self._people = people
        self._canary = canary

    def post(self, notice: Notice) -> None:
        """See Noticeboard.post."""
        if notice.rule_name != CANARY:
            self._people.post(notice)
        elif self._canary is not None:
            self._canary.post(notice)

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold. Of the canary everything is told."""
        self._people.withhold(notice, why)
