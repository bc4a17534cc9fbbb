"""What must not be read by anybody goes; what operators live by stays."""

import time

import pytest

from autorecovery.analysis.redact import Redactor

KEY_BODY = "MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi14p3tcbqW8xkXzVt5Gd9eR1Yw"

GOES = [
    ("key AKIAIOSFODNN7EXAMPLE used", "key [secret] used"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "aws_secret_access_key = [secret]"),
    ("found wJalrXUtnFEMI/K7MDENG/bPxRfiCY3XAMPLEKEY lying", "found [secret] lying"),
    ("Authorization: Bearer abc.def.ghi", "Authorization: [secret]"),
    ("Authorization: AWS4-HMAC-SHA256 Credential=A/2026, Signature=ab", "Authorization: [secret]"),
    ("sent Bearer abcdefgh12345678 to it", "sent Bearer [secret] to it"),
    ("Cookie: session=abc; other=def", "Cookie: [secret]"),
    ('{"Cookie": "a=b; c=d", "cpu": 97}', '{"Cookie": [secret], "cpu": 97}'),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln x", "jwt [secret] x"),
    (f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_BODY}\n-----END RSA PRIVATE KEY----- after",
     "[private key] after"),
    (f"-----BEGIN PRIVATE KEY-----\n{KEY_BODY}", "[private key]"),
    (KEY_BODY, "[secret]"),
    ("postgres://shop:hunter2@db:5432/shop", "postgres://[secret]@db:5432/shop"),
    ("redis://:hunter2@cache:6379", "redis://[secret]@cache:6379"),
    ("password=hunter2 cpu=97", "password=[secret] cpu=97"),
    ("DB_PASSWORD: hunter2, cpu: 97", "DB_PASSWORD: [secret], cpu: 97"),
    ('{"password": "hunt er2", "cpu": 97}', '{"password": [secret], "cpu": 97}'),
    ('{"password": "pa\\"ss", "cpu": 97}', '{"password": [secret], "cpu": 97}'),
    ('{"m": "{\\"password\\": \\"hunter2\\", \\"cpu\\": 97}"}',
     '{"m": "{\\"password\\": [secret], \\"cpu\\": 97}"}'),
    ("{'api_key': 'abc', 'cpu': 97}", "{'api_key': [secret], 'cpu': 97}"),
    ("GET /x?token=abc&id=7", "GET /x?token=[secret]&id=7"),
    ("GET /x?sig=abc&id=7", "GET /x?sig=[secret]&id=7"),
    ("mysql --password hunter2 -h db", "mysql --password [secret] -h db"),
    ("xoxb-123456789012-abcdefghijkl", "[secret]"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[secret]"),
    ("bot 123456789:AAF-abcdefghijklmnopqrstuvwxyz012345", "bot [secret]"),
    ("mail ann@example.com and Ann@Example.com and bob@example.org",
     "mail [email-1] and [email-1] and [email-2]"),
    ("10.0.0.1 asked 192.168.1.20, 10.0.0.1 answered", "[ip-1] asked [ip-2], [ip-1] answered"),
    ("http://10.0.0.1:8080/health", "http://[ip-1]:8080/health"),
    ("[2001:db8::1]:443 and 2001:0db8:0:0:0:0:0:1.", "[[ip-1]]:443 and [ip-1]."),
    ("::ffff:10.0.0.1 came", "[ip-1] came"),
    ("card 4111 1111 1111 1111 and 378282246310005", "card [card] and [card]"),
    ("+49 170 1234567 or (212) 555-0100 or 212-555-0100", "[phone] or [phone] or [phone]"),
]  # fmt: skip

STAYS = [
    "i-0123456789abcdef0 in eu-west-1, account 111122223333",
    "2026-03-01T12:00:30.123456+0000 cpu 97.25 mem 12,000,000,000",
    "12:00:30 up 1700000000000 1700000000123456 1700000000123456789 20260301120030",
    "agent version 3.3.2746.0, nginx/1.25.3, Chrome/120.0.0.0, version 1.2.3.4, v1.2.3.4",
    "listening on 127.0.0.1:8080, 0.0.0.0:80 and ::1",
    "commit 439d25c8f1e2d3c4b5a6978812345678deadbeef, sha256:" + "ab" * 32,
    "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    "/usr/lib/x86_64-linux-gnu/some/deeply/nested/Directory2/libThing.so.6",
    "targetgroup/MyService-Prod-Blue/73e2d6bc24d8a067",
    "max_tokens=800 tokens: 12 the secretary passed, bypass: no, tokenizer: fast",
    "std::vector<int> at a::b, mac 00:1a:2b:3c:4d:5e",
    "Out of memory: Killed process 4242 (java) total-vm:8123456kB, anon-rss:7654321kB",
    "exit code 137 after 240 s, load 12.50 11.02 9.77",
    "4111 1111 1111 1112 is no card",
    "+12 points, +3.5 %, 1+1",
    "999.999.999.999",
    "1234:" + "ab:" * 30,
]


@pytest.mark.parametrize(("text", "expected"), GOES)
def test_secrets_and_personal_data_go(text: str, expected: str) -> None:
    assert Redactor()(text) == expected


@pytest.mark.parametrize("text", STAYS)
def test_what_operators_live_by_stays(text: str) -> None:
    assert Redactor()(text) == text


@pytest.mark.parametrize("text", [text for text, _ in GOES])
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = Redactor()(text)
    assert Redactor()(once) == once


def test_an_address_is_the_same_in_every_line_of_one_analysis() -> None:
    redact = Redactor()
    assert redact("from 10.0.0.1") == redact("from 10.0.0.1") == "from [ip-1]"


MEGABYTE = 1_000_000

HOSTILE = [
    "a", "1", "0.", "1 ", "eyJ", "eyJaaaaaa.", "a@", "a.", "password", 'password="', 'pwd=\\"',
    "://:a", "::", "ab:", "+1 ", "<a", "AKIA", "--password ", "Cookie", "Bearer ", "[secret]",
    "-----BEGIN PRIVATE KEY-----", "\u202e", "4111-", "A1b/", "\\", "'", "token='\\",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_line_takes_no_longer_than_its_length_deserves(unit: str) -> None:
    def seconds(size: int) -> float:
        line, began = (unit * (size // len(unit) + 1))[:size], time.process_time()
        Redactor()(line)
        return time.process_time() - began

    # A quadratic pattern would take 100 times as long, not ten: and minutes, not a second.
    assert seconds(MEGABYTE // 10) < 0.6
