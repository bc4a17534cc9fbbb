"""Delivery as the settings want it: for the service, and of one look, for cron."""

from host_agent.batch import Batch
from host_agent.look import Look
from host_agent.post import poster
from host_agent.settings import Settings
from host_agent.ship import Log, Shipper
from host_agent.spool import Spool

CRON_SECONDS = 300
"""Between two looks of the cron line."""


def shipper_of(settings: Settings, log: Log) -> Shipper | None:
    """Return what delivers to the hub of these settings; None without a hub."""
    if not settings.hub:
        return None
    post = poster(
        settings.hub,
        settings.token,
        ca_file=settings.ca_file,
        allow_plain_http=settings.allow_plain_http,
    )
    return Shipper(post, Spool(settings.spool, settings.spool_mb << 20), log)


def ship_look(look: Look, settings: Settings, shipper: Shipper) -> bool:
    """Send one look behind all that waited; return whether the hub has everything now."""
    batch = Batch()
    batch.add(look.sample, look.conditions)
    shipper.offer(
        batch.close(
            host=settings.host,
            agent=settings.agent,
            interval=CRON_SECONDS,
            containers=look.containers,
            processes=look.processes,
            unread=look.unread,
        )
    )
    return shipper.flush()
