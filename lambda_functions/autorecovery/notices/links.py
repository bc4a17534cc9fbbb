"""Where to look further in the AWS console; nothing is made up for what is not there."""

import string
from datetime import datetime, timedelta

from autorecovery.models.incident import Incident
from autorecovery.models.notice import Link
from autorecovery.models.signal import (
    INSTANCE_ID,
    EventOrigin,
    LogOrigin,
    MetricOrigin,
    SignalKind,
    TargetKind,
)

AROUND = timedelta(minutes=30)
"""How much time before and after a breach a link shows."""

_PLAIN = frozenset(string.ascii_letters + string.digits + "-_.")


def links(incident: Incident) -> tuple[Link, ...]:
    """Return links to the instance, the alarm, the metric and the log lines, where there are."""
    home = _console(incident.target.region)
    if not home:
        return ()
    found = (
        _instance(incident, home),
        _alarm(incident, home),
        _metric(incident, home),
        _lines(incident, home),
    )
    return tuple(link for link in found if link)


def _console(region: str) -> str:
    """Return where the console of a region is; empty for what is no region."""
    if not region or not set(region) <= _PLAIN:
        return ""
    if region.startswith("cn-"):
        return "https://console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return "https://console.amazonaws-us-gov.com"
    return f"https://{region}.console.aws.amazon.com"


def _instance(incident: Incident, home: str) -> Link | None:
    target = incident.target
    if target.kind is not TargetKind.INSTANCE or not INSTANCE_ID.fullmatch(target.name):
        return None
    place = f"{home}/ec2/home?region={target.region}"
    return Link("Instance", f"{place}#InstanceDetails:instanceId={target.name}")


def _alarm(incident: Incident, home: str) -> Link | None:
    signal = incident.signal
    by_hand = isinstance(signal.origin, EventOrigin) and signal.origin.source == "typed"
    if signal.kind is not SignalKind.ALARM or by_hand:
        return None
    return Link("Alarm", f"{_cloudwatch(incident, home)}#alarmsV2:alarm/{_encoded(signal.name)}")


def _metric(incident: Incident, home: str) -> Link | None:
    origin = incident.signal.origin
    # Of several series read as one there is no single graph.
    if not isinstance(origin, MetricOrigin) or origin.many:
        return None
    words = (origin.namespace, origin.metric, *(w for pair in origin.dimensions for w in pair))
    series = "".join(f"~'{_starred(word)}" for word in words)
    since, until = _around(incident.breached_at)
    graph = (
        f"~(view~'timeSeries~stacked~false~metrics~(~({series}))"
        f"~stat~'{_starred(origin.statistic)}~period~{origin.period_seconds}"
        f"~region~'{incident.target.region}~start~'{since}~end~'{until})"
    )
    return Link("Metric", f"{_cloudwatch(incident, home)}#metricsV2:graph={graph}")


def _lines(incident: Incident, home: str) -> Link | None:
    origin = incident.signal.origin
    if not isinstance(origin, LogOrigin):
        return None
    since, until = _around(incident.breached_at)
    query = (
        f"~(end~'{until}~start~'{since}~timeType~'ABSOLUTE~tz~'UTC"
        f"~source~(~'{_starred(origin.group)}))"
    )
    place = f"{_cloudwatch(incident, home)}#logsV2:logs-insights"
    return Link("Log lines", f"{place}$3FqueryDetail$3D{query}")


def _cloudwatch(incident: Incident, home: str) -> str:
    return f"{home}/cloudwatch/home?region={incident.target.region}"


def _around(moment: datetime) -> tuple[str, str]:
    since, until = moment - AROUND, moment + AROUND
    return _starred(f"{since:%Y-%m-%dT%H:%M:%S.000Z}"), _starred(f"{until:%Y-%m-%dT%H:%M:%S.000Z}")


def _encoded(text: str, mark: str = "%") -> str:
    """Return the text with all but plain characters as the hexadecimal of their bytes."""
    return "".join(
        c if c in _PLAIN else "".join(f"{mark}{b:02x}" for b in c.encode("utf-8", "replace"))
        for c in text
    )


def _starred(text: str) -> str:
    """Return the text as the console writes it inside the part after the `#`."""
    return _encoded(text, "*")
