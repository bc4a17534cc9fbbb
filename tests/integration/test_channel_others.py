"""Apprise as an optional extra, and mail through SES."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sesv2.models import sesv2_backends

from autorecovery.adapters.aws.mail import SesMailer
from autorecovery.adapters.channels.apprise import AppriseChannel
from autorecovery.errors import ChannelError
from tests.channel_world import Vault, notice
from tests.integration import aws
from tests.local_server import LocalServer, Reply

# Apprise

# What its own dependencies warn of when they are loaded is not ours.
loads_apprise = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def service() -> Iterator[LocalServer]:
    server = LocalServer()
    with server.running():
        yield server


def channel(url: str) -> AppriseChannel:
    return AppriseChannel(
        "other", Vault().keep(url), lambda told: told.headline, lambda told: "All of it."
    )


@loads_apprise
def test_a_notice_reaches_whatever_apprise_reaches(service: LocalServer) -> None:
    address = service.address.replace("http://", "json://")
    channel(f"{address}/s3cr3t").send(notice(), None)
    content = service.requests[0].content
    assert content["title"] == "[CRITICAL] web-1: opened"
    assert (content["message"], content["type"]) == ("All of it.", "failure")


@loads_apprise
def test_a_service_that_does_not_take_it_is_told_without_its_address(
    service: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.lay_out(Reply("no", 403))
    with pytest.raises(ChannelError, match="did not take it") as caught:
        channel(service.address.replace("http://", "json://user:s3cr3t@")).send(notice(), None)
    assert caught.value.retryable
    assert "s3cr3t" not in str(caught.value) + caplog.text


@loads_apprise
def test_an_address_that_apprise_cannot_read_is_told_by_its_reference(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ChannelError, match="vault:token") as caught:
        channel("nonsense-s3cr3t").send(notice(), None)
    assert not caught.value.retryable
    assert "s3cr3t" not in str(caught.value) + caplog.text


def test_without_the_package_it_is_told_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ChannelError, match=r"pip install 'autorecovery\[apprise\]'"):
        channel("json://localhost").send(notice(), None)


# SES

SENDER, TO = "ops@example.com", ("ann@example.com", "bob@example.com")


def mail(client: Any) -> None:
    SesMailer(client).send(SENDER, TO, "Subject ü", "The text.", "<p>The text.</p>")


def test_a_mail_has_its_text_beside_its_html() -> None:
    with mock_aws():
        client = aws.client("sesv2")
        client.create_email_identity(EmailIdentity=SENDER)
        mail(client)
        [sent] = sesv2_backends[DEFAULT_ACCOUNT_ID][aws.REGION].core_backend.sent_messages
    assert (sent.source, sent.subject) == (SENDER, "Subject ü")
    assert sent.destinations["ToAddresses"] == list(TO)


@pytest.mark.parametrize(
    ("code", "retryable", "words"),
    [
        ("MessageRejected", False, "create-email-identity"),
        ("MailFromDomainNotVerifiedException", False, "MAIL FROM"),
        ("AccountSuspendedException", False, "AWS Support"),
        ("SendingPausedException", False, "paused"),
        ("AccessDeniedException", False, "ses:SendEmail"),
        ("BadRequestException", False, "correct `from`"),
        ("TooManyRequestsException", True, "TooManyRequestsException"),
        ("ThrottlingException", True, "ThrottlingException"),
        ("SomethingNew", False, "SomethingNew"),
    ],
)
def test_why_ses_refuses_is_told_with_its_fix(code: str, retryable: bool, words: str) -> None:
    with aws.answering("sesv2") as (client, stubber):
        stubber.add_client_error("send_email", code, "Not\n possible.", 400)
        with pytest.raises(ChannelError, match=words) as caught:
            mail(client)
    assert caught.value.retryable is retryable
    assert "Not possible." in str(caught.value)


def test_an_ses_that_fails_or_cannot_be_reached_is_worth_another_try() -> None:
    with aws.answering("sesv2") as (client, stubber):
        stubber.add_client_error("send_email", "Odd", http_status_code=503)
        with pytest.raises(ChannelError) as caught:
            mail(client)
    assert caught.value.retryable
    client = aws.client("sesv2")

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://email")

    client.meta.events.register("before-call.sesv2", fail)
    with pytest.raises(ChannelError, match="https://email") as caught:
        mail(client)
    assert caught.value.retryable
