"""What a channel may be called: it stands in queues, keys and records, beside the topic's name."""

import pytest

from autorecovery.config import InvalidConfigurationError, loads


def named(name: str) -> str:
    return f'notify:\n  channels:\n    "{name}": {{ webhook: {{ url: "env:HOOK" }} }}\n'


@pytest.mark.parametrize("name", ["ops-slack", "Night_2", "a" * 40])
def test_a_channel_has_a_plain_name(name: str) -> None:
    assert list(loads(named(name), "test", {}).configuration.notify.channels) == [name]


@pytest.mark.parametrize("name", ["", "a b", "a@b", "ü", "1st", "a/b", "a" * 41])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfigurationError, match="channels"):
        loads(named(name), "test", {})


@pytest.mark.parametrize("name", ["sns", "console"])
def test_a_name_that_the_record_of_notices_uses_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfigurationError) as refused:
        loads(named(name), "test", {})
    assert f"a channel cannot be called {name!r}; give it another name" in str(refused.value)
