"""How the agent is installed: a systemd unit that may do nothing but look, or a line for cron."""

import shlex
import sys
from pathlib import Path

UNIT = Path("/etc/systemd/system/autorecovery-agent.service")
CRON = Path("/etc/cron.d/autorecovery-agent")
CONFIG = Path("/etc/autorecovery/agent.toml")
EVERY_FIVE_MINUTES = "*/5 * * * *"


FIRST_CONFIG = """\
# What this host's agent is told; every key and its default: docs/agent.md.
[hub]
# url = "https://hub.example.com" # its token goes into agent.env: AUTORECOVERY_TOKEN=…
"""


def command(*words: str, python: str = sys.executable) -> str:
    """Return how this installation's agent is started."""
    return shlex.join([python, "-m", "host_agent", *words])


def unreachable(python: str) -> Path | None:
    """Return the first folder on the way to this Python that others may not enter; None if all.

    The unit's user is nobody in particular, and cannot run what is in somebody's home.
    """
    for folder in reversed(Path(python).resolve().parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


def systemd_unit(
    config: Path = CONFIG, groups: tuple[str, ...] = (), python: str = sys.executable
) -> str:
    """Return a unit that keeps the agent running, as a user of its own.

    `groups` are those of the container engines' sockets. The file system is read-only to it, but
    for its own folders; homes stay visible, as a mount below them must be measured.
    """
    members = f"SupplementaryGroups={' '.join(groups)}\n" if groups else ""
    return f"""\
[Unit]
Description=Watches this host and its containers, and tells the hub
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={command("run", "--config", str(config), python=python)}
Environment=AUTORECOVERY_HOME=/var/lib/autorecovery PYTHONUNBUFFERED=1
EnvironmentFile=-/etc/autorecovery/agent.env
Restart=always
RestartSec=5
RestartPreventExitStatus=3
TimeoutStopSec=10

DynamicUser=yes
User=autorecovery
{members}StateDirectory=autorecovery
StateDirectoryMode=0700
WorkingDirectory=/var/lib/autorecovery
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

MemoryMax=128M
CPUQuota=20%
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
"""


def cron_line(
    config: Path = CONFIG, user: str = "root", when: str = EVERY_FIVE_MINUTES,
    python: str = sys.executable,
) -> str:  # fmt: skip
    """Return a line for /etc/cron.d: one look at a time, sent to the hub, where no systemd is."""
    once = command("once", "--ship", "--quiet", "--config", str(config), python=python)
    return f"{when} {user} AUTORECOVERY_HOME=/var/lib/autorecovery {once}\n"
