"""Mail through SES, by the role of whoever runs this: no password anywhere."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from autorecovery.adapters.aws.errors import code_of
from autorecovery.errors import ChannelError

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import ContentTypeDef

_FIXES = {
    "MessageRejected": (
        "sender and, in the sandbox, each recipient must be verified:"
        " aws sesv2 create-email-identity --email-identity ADDRESS"
    ),
    "MailFromDomainNotVerifiedException": "finish the MAIL FROM domain's DNS records, or remove it",
    "AccountSuspendedException": "SES has suspended the account; write to AWS Support",
    "SendingPausedException": "sending is paused; aws sesv2 put-account-sending-attributes",
    "AccessDeniedException": "allow ses:SendEmail for the sender's identity",
    "NotFoundException": "verify the sender in this region",
    "BadRequestException": "correct `from` and `to`",
}

_FOR_NOW = frozenset(
    {
        "TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling",
        "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable",
        "ConcurrentModificationException", "RequestTimeout",
    }
)  # fmt: skip


class SesMailer:
    """Mailer over SES v2."""

    def __init__(self, client: "SESV2Client") -> None:
        self._client = client

    def send(self, sender: str, to: Sequence[str], subject: str, text: str, html: str) -> None:
        """Send one mail to all of them, readable without HTML; ChannelError where SES refuses."""
        try:
            self._client.send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": list(to)},
                Content={
                    "Simple": {
                        "Subject": _part(subject),
                        "Body": {"Text": _part(text), "Html": _part(html)},
                    }
                },
            )
        except ClientError as error:
            raise _refusal(error) from error
        except BotoCoreError as error:
            raise ChannelError(f"SES: {error}", retryable=True) from error


def _part(text: str) -> "ContentTypeDef":
    return {"Data": text, "Charset": "UTF-8"}


def _refusal(error: ClientError) -> ChannelError:
    code = code_of(error)
    told = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:200]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _FOR_NOW or status >= 500:
        return ChannelError(f"SES: {code}: {told}", retryable=True)
    detail = "; ".join(part for part in (told, _FIXES.get(code, "")) if part)
    return ChannelError(f"SES refused it: {code} ({detail})", retryable=False)
