"""HTTP answers in whatever pieces they arrive, and whatever they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_agent.answers import Answer, AnswerError

WHOLE = {
    "a length": b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}',
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b'3;x=y\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n',
    "nothing": b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nX: a:b\r\n\r\n",
}


@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(1, 30), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_the_pieces_in_which_an_answer_arrives_make_no_difference(
    kind: str, sizes: list[int]
) -> None:
    rest, answer, done = WHOLE[kind], Answer(), False
    for size in [*sizes, *[1] * len(rest)]:
        if not rest:
            break
        assert not done
        done = answer.take(rest[:size])
        rest = rest[size:]
    assert done
    assert answer.body == (b"" if kind == "nothing" else b'{"a":1}')
    assert not answer.closes


@given(st.lists(st.binary(max_size=60), max_size=8))
@settings(max_examples=300, deadline=None)
def test_whatever_arrives_is_an_answer_or_refused_in_words(pieces: list[bytes]) -> None:
    answer = Answer()
    try:
        for piece in [b"HTTP/1.1 200 OK\r\n", *pieces, b""]:
            if answer.take(piece):
                return
    except AnswerError as error:
        assert str(error)


def test_without_a_length_the_answer_ends_with_the_connection() -> None:
    answer = Answer()
    assert not answer.take(b"HTTP/1.0 200 OK\r\n\r\nab")
    assert not answer.take(b"cd")
    assert answer.take(b"")
    assert (answer.body, answer.closes) == (b"abcd", True)


@pytest.mark.parametrize(
    "start", [b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 twohundred\r\n\r\n", b"\r\n\r\n"]
)
def test_what_speaks_no_http_is_refused(start: bytes) -> None:
    with pytest.raises(AnswerError):
        Answer().take(start)


@pytest.mark.parametrize("size", [b"-5", b"0x10", b" ", b"5 5", b"1_0", b"ffffffffffffffff"])
def test_a_chunk_of_a_size_that_cannot_be_is_refused_or_never_whole(size: bytes) -> None:
    answer = Answer()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(AnswerError):
        answer.take(head + size + b"\r\nabcde\r\n0\r\n\r\n")
        answer.take(b"")


def test_an_answer_beyond_all_bounds_is_refused() -> None:
    answer = Answer()
    answer.take(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    with pytest.raises(AnswerError, match="too long"):
        for _ in range(40):
            answer.take(b"x" * (1 << 20))
