"""Secrets by reference: where they are fetched, how long they are kept, what errors tell."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from autorecovery.adapters.aws.secrets import aws_readers
from autorecovery.adapters.secrets import Secrets, local_readers
from autorecovery.errors import SecretError
from tests.channel_world import NOW, Vault
from tests.integration import aws


def secrets(**variables: str) -> Secrets:
    kept_by_aws = aws_readers(lambda: aws.client("ssm"), lambda: aws.client("secretsmanager"))
    return Secrets({**local_readers(variables), **kept_by_aws}, lambda: NOW)


def refused(reference: str, of: Secrets) -> SecretError:
    with pytest.raises(SecretError) as caught:
        of.read(reference)
    assert reference in str(caught.value)
    return caught.value


# Where they are


def test_a_variable_is_read(tmp_path: Path) -> None:
    assert secrets(TOKEN=" xoxb-1\n").read("env:TOKEN") == "xoxb-1"


def test_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("xoxb-1\n", encoding="utf-8")
    assert secrets().read(f"file:{path}") == "xoxb-1"


@mock_aws
def test_a_parameter_is_read_decrypted() -> None:
    aws.client("ssm").put_parameter(Name="/ar/token", Value="xoxb-1", Type="SecureString")
    assert secrets().read("ssm:/ar/token") == "xoxb-1"


@mock_aws
def test_a_secret_is_read_whole_or_by_its_key() -> None:
    manager = aws.client("secretsmanager")
    manager.create_secret(Name="ar/slack", SecretString='{"token": "xoxb-1"}')
    manager.create_secret(Name="ar/bare", SecretString="xoxb-2")
    assert secrets().read("secretsmanager:ar/slack#token") == "xoxb-1"
    assert secrets().read("secretsmanager:ar/bare") == "xoxb-2"


# What errors tell


def test_a_variable_that_is_missing_is_told_with_the_fix() -> None:
    assert "set TOKEN where this runs" in str(refused("env:TOKEN", secrets()))


def test_a_file_that_is_missing_or_no_text_is_told(tmp_path: Path) -> None:
    assert "No such file" in str(refused(f"file:{tmp_path}/none", secrets()))
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    assert "it is not text" in str(refused(f"file:{path}", secrets()))
    path.write_bytes(b"x" * 100_000)
    assert "too large" in str(refused(f"file:{path}", secrets()))


@mock_aws
def test_what_aws_does_not_have_is_told_with_the_fix() -> None:
    none = refused("ssm:/ar/none", secrets())
    assert "aws ssm put-parameter --type SecureString --name /ar/none" in str(none)
    assert not none.retryable
    assert "create-secret" in str(refused("secretsmanager:ar/none", secrets()))


@pytest.mark.parametrize(
    ("code", "retryable", "words"),
    [
        ("AccessDeniedException", False, "allow ssm:GetParameter on it"),
        ("ThrottlingException", True, "ThrottlingException"),
    ],
)
def test_why_a_parameter_cannot_be_read_is_told(code: str, retryable: bool, words: str) -> None:
    with aws.answering("ssm") as (client, stubber):
        stubber.add_client_error("get_parameter", code)
        of = Secrets(aws_readers(lambda: client, lambda: client), lambda: NOW)
        error = refused("ssm:/ar/token", of)
    assert words in str(error)
    assert error.retryable is retryable


@mock_aws
@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ("hunter2 is no JSON", "no JSON"),
        ('{"other": "hunter2"}', "no text under 'token'"),
        ('["hunter2"]', "no text under 'token'"),
    ],
)
def test_a_secret_of_another_shape_is_told_without_what_it_says(kept: str, words: str) -> None:
    aws.client("secretsmanager").create_secret(Name="ar/slack", SecretString=kept)
    error = refused("secretsmanager:ar/slack#token", secrets())
    assert words in str(error)
    assert "hunter2" not in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize("value", ["", "  \n", "hunter2\nhunter3", "hunter2\x00", "hünter2"])
def test_what_cannot_be_a_token_is_told_without_what_it_says(value: str) -> None:
    error = refused("env:TOKEN", secrets(TOKEN=value))
    assert "unter" not in str(error)


def test_a_place_that_is_not_read_here_is_told() -> None:
    of = Secrets(local_readers({}), lambda: NOW)
    assert "use one of env:, file:" in str(refused("ssm:/ar/token", of))


def test_a_handle_shows_where_the_secret_is_and_not_what_it_says() -> None:
    secret = Vault().keep("hunter2")
    assert secret.value() == "hunter2"
    assert repr(secret) == "Secret(reference='vault:token')"


# How long they are kept


def test_a_secret_is_fetched_at_first_use_and_kept_for_minutes() -> None:
    vault = Vault()
    token = vault.keep("old")
    assert vault.asked == []
    assert token.value() == token.value() == "old"
    assert len(vault.asked) == 1
    vault.content["token"] = "new"
    vault.now += timedelta(minutes=5)
    assert token.value() == "new"


def test_a_refused_secret_is_fetched_anew() -> None:
    vault = Vault()
    token = vault.keep("old")
    assert token.value() == "old"
    assert not token.is_another()
    vault.now += timedelta(minutes=1)
    vault.content["token"] = "new"
    assert token.is_another()
    assert token.value() == "new"


def test_a_secret_that_cannot_be_fetched_is_asked_for_again_next_time() -> None:
    vault = Vault()
    token = vault.keep("old")
    held: dict[str, Any] = {**vault.content}
    vault.content.clear()
    with pytest.raises(SecretError):
        token.value()
    vault.content.update(held)
    assert token.value() == "old"
