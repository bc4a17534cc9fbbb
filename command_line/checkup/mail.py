"""Does mail arrive: subscriptions that were never confirmed, an SES that only plays."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from autorecovery.config.notify import MailReport
from command_line.checkup.finding import Finding, well, wrong

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient

PENDING = "PendingConfirmation"


def look_at_topic(
    subject: str, emails: Sequence[str], topic: str, sns: "SNSClient"
) -> Iterator[Finding]:
    """Yield for each address whether it has confirmed that it wants the topic's mail."""
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    found = {
        each["Endpoint"]: each["SubscriptionArn"]
        for page in pages
        for each in page["Subscriptions"]
        if each["Protocol"] == "email"
    }
    again = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint"
    for email in emails:
        state = found.pop(email, "")
        if state.startswith("arn:"):
            yield well(subject, f"{email} gets it")
        elif state == PENDING:
            yield _unconfirmed(subject, email, f"{again} {email}")
        else:
            yield wrong(subject, f"{email} is not subscribed any more", f"{again} {email}")
    for email, state in found.items():  # somebody subscribed them by hand
        if state == PENDING:
            yield _unconfirmed(subject, email, f"{again} {email}")


def _unconfirmed(subject: str, email: str, again: str) -> Finding:
    return wrong(
        subject, f"{email} has not confirmed, and gets nothing",
        f"follow the link in the mail 'AWS Notification - Subscription Confirmation'; for a new"
        f" one: {again}",
    )  # fmt: skip


def look_at_ses(subject: str, report: MailReport, ses: "SESV2Client") -> Iterator[Finding]:
    """Yield whether SES sends from this sender, and to whom."""
    account = ses.get_account()
    if not account.get("SendingEnabled", True):
        yield wrong(
            subject, "SES sends nothing for this account",
            "aws sesv2 put-account-sending-attributes --sending-enabled, or write to AWS Support",
        )  # fmt: skip
    yield _identity(subject, report.sender, "the sender", ses)
    if account.get("ProductionAccessEnabled"):
        yield well(subject, "SES sends to anybody")
        return
    bad = [
        each
        for to in report.recipients
        if (each := _identity(subject, to, "in the SES sandbox the recipient", ses)).fix
    ]
    yield from bad
    if not bad:
        yield well(subject, "SES is in its sandbox, and all recipients are verified")


def _identity(subject: str, address: str, role: str, ses: "SESV2Client") -> Finding:
    domain = address.rpartition("@")[2]
    if _is_verified(address, ses) or _is_verified(domain, ses):
        return well(subject, f"{role} {address} is verified")
    return wrong(
        subject, f"{role} {address} is not verified",
        f"aws sesv2 create-email-identity --email-identity {address}, and follow the link in its"
        " mail" + ("; or ask for production access" if "sandbox" in role else ""),
    )  # fmt: skip


def _is_verified(identity: str, ses: "SESV2Client") -> bool:
    try:
        return ses.get_email_identity(EmailIdentity=identity).get("VerifiedForSendingStatus", False)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NotFoundException":
            return False
        raise
