"""Which instances exist and have opted in, asked of EC2."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from autorecovery.adapters.aws.targets import Ec2Census, Ec2Directory
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.errors import ReadError
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import Presence
from tests.integration import aws
from tests.response_world import INSTANCE, START

NOBODY = Presence(exists=False, opted_in=False)
OTHERS = (Target.named("web-1"), Target(TargetKind.CONTAINER, INSTANCE.name))


def answer(*instances: dict[str, Any]) -> dict[str, Any]:
    return {"Reservations": [{"Instances": [instance]} for instance in instances]}


def instance(state: str = "running", **tags: str) -> dict[str, Any]:
    """Return what EC2 says of one instance."""
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"InstanceId": INSTANCE.name, "State": {"Name": state}, "Tags": pairs}


def directory(ec2: Any, ssm: Any = None, group_by: str | None = None) -> Ec2Directory:
    return Ec2Directory(lambda: ec2, ssm, "AutoRecovery", "enabled", group_by)


def agent(version: str = "3.3.2746.0", ping: str = "Online") -> dict[str, Any]:
    """Return what SSM says of one instance's agent."""
    told = {"InstanceId": INSTANCE.name, "PingStatus": ping, "AgentVersion": version}
    return {"InstanceInformationList": [told]}


def look_up(
    found: dict[str, Any], agents: dict[str, Any], *fleet: dict[str, Any], **options: Any
) -> Presence:
    """Return what the directory makes of these answers of EC2 and SSM."""
    with aws.answering("ec2") as (ec2, instances), aws.answering("ssm") as (ssm, information):
        instances.add_response("describe_instances", answer(found))
        information.add_response("describe_instance_information", agents)
        instances.add_response("describe_instances", answer(*fleet), options.pop("asked", None))
        return directory(ec2, ssm, **options).look_up(INSTANCE)


@pytest.mark.parametrize("more", [{}, {"Name": "web"}])
def test_an_instance_opts_in_by_its_tag(more: dict[str, str]) -> None:
    presence = look_up(instance(AutoRecovery="enabled", **more), agent(), instance(), instance())
    assert presence == Presence(
        exists=True, opted_in=True, fleet=2, reachable=True, agent=(3, 3, 2746, 0)
    )


@pytest.mark.parametrize(
    "tags", [{"AutoRecovery": "disabled"}, {"autorecovery": "enabled"}, {"Name": "enabled"}, {}]
)
def test_an_instance_without_the_very_tag_has_not_opted_in(tags: dict[str, str]) -> None:
    with aws.answering("ec2") as (ec2, stubber):
        asked = {"InstanceIds": [INSTANCE.name]}
        stubber.add_response("describe_instances", answer(instance(**tags)), asked)
        assert directory(ec2).look_up(INSTANCE) == Presence(exists=True, opted_in=False)


@pytest.mark.parametrize(
    "agents",
    [{"InstanceInformationList": []}, agent(ping="ConnectionLost"), agent(ping="Inactive")],
)
def test_an_instance_whose_agent_is_silent_cannot_be_reached(agents: dict[str, Any]) -> None:
    presence = look_up(instance(AutoRecovery="enabled"), agents)
    assert (presence.opted_in, presence.reachable, presence.agent) == (True, False, None)


def test_a_tag_names_the_group_whose_fleet_is_counted() -> None:
    wanted = {
        "tag:AutoRecovery": "enabled",
        "instance-state-name": "running",
        "tag:Role": "web",
    }
    asked = {"Filters": [{"Name": name, "Values": [value]} for name, value in wanted.items()]}
    found = instance(AutoRecovery="enabled", Role="web")
    presence = look_up(found, agent(), instance(), group_by="Role", asked=asked)
    assert (presence.group, presence.fleet) == ("web", 1)


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_an_instance_that_is_gone_is_nobody(state: str) -> None:
    with aws.answering("ec2") as (ec2, stubber):
        gone = instance(state, AutoRecovery="enabled")
        stubber.add_response("describe_instances", answer(gone))
        assert directory(ec2).look_up(INSTANCE) == NOBODY


@pytest.mark.parametrize("state", ["stopped", "stopping", "pending"])
def test_an_instance_that_stands_still_exists(state: str) -> None:
    presence = look_up(instance(state, AutoRecovery="enabled"), agent(ping="ConnectionLost"))
    assert (presence.exists, presence.opted_in, presence.reachable) == (True, True, False)


@pytest.mark.parametrize("code", ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"])
def test_an_instance_that_never_was_is_nobody(code: str) -> None:
    with aws.answering("ec2") as (ec2, stubber):
        stubber.add_client_error("describe_instances", code)
        assert directory(ec2).look_up(INSTANCE) == NOBODY


@pytest.mark.parametrize("target", OTHERS)
def test_what_is_no_instance_is_not_even_asked_about(target: Target) -> None:
    with aws.answering("ec2") as (ec2, _):
        assert directory(ec2).look_up(target) == NOBODY
        assert census(ec2).look_up(target) == NOBODY


def unreachable() -> Any:
    ec2 = aws.client("ec2")

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://ec2")

    ec2.meta.events.register("before-call.ec2", fail)
    return ec2


def test_what_cannot_be_found_out_is_told_in_our_words() -> None:
    with aws.answering("ec2") as (ec2, stubber):
        stubber.add_client_error("describe_instances", "RequestLimitExceeded")
        stubber.add_client_error("describe_instances", "UnauthorizedOperation")
        with pytest.raises(ReadError, match="RequestLimitExceeded"):
            directory(ec2).look_up(INSTANCE)
        with pytest.raises(ReadError, match="UnauthorizedOperation"):
            census(ec2).look_up(INSTANCE)
    with pytest.raises(ReadError, match="https://ec2"):
        directory(unreachable()).look_up(INSTANCE)
    with pytest.raises(ReadError, match="https://ec2"):
        census(unreachable()).look_up(INSTANCE)


# The census


def census(ec2: Any, clock: VirtualClock | None = None) -> Ec2Census:
    return Ec2Census(lambda: ec2, "AutoRecovery", "enabled", clock or VirtualClock(START))


OPTED_IN_ONLY = {"Filters": [{"Name": "tag:AutoRecovery", "Values": ["enabled"]}]}


def test_the_census_knows_who_opted_in() -> None:
    with aws.answering("ec2") as (ec2, stubber):
        other = {"Instances": [{"InstanceId": "i-0ffffffffffffffff"}]}
        pages = {"Reservations": [other], "NextToken": "more"}, answer(instance())
        stubber.add_response("describe_instances", pages[0], OPTED_IN_ONLY)
        stubber.add_response("describe_instances", pages[1], {**OPTED_IN_ONLY, "NextToken": "more"})
        count = census(ec2)
        assert count.look_up(INSTANCE).opted_in
        assert not count.look_up(Target.named("i-0123456789abcdef1")).opted_in


def test_the_fleet_is_counted_once_a_minute_however_many_ask() -> None:
    clock = VirtualClock(START)
    with aws.answering("ec2") as (ec2, stubber):
        stubber.add_response("describe_instances", answer())
        stubber.add_response("describe_instances", answer(instance()))
        count = census(ec2, clock)
        assert [count.look_up(INSTANCE).opted_in for _ in range(5)] == [False] * 5
        clock.advance(START + timedelta(seconds=61))
        assert count.look_up(INSTANCE).opted_in


def test_a_count_that_failed_is_made_again_at_the_next_question() -> None:
    with aws.answering("ec2") as (ec2, stubber):
        stubber.add_client_error("describe_instances", "RequestLimitExceeded")
        stubber.add_response("describe_instances", answer(instance()))
        count = census(ec2)
        with pytest.raises(ReadError):
            count.look_up(INSTANCE)
        assert count.look_up(INSTANCE).opted_in
