"""Where container engines listen on this host, and how one is allowed to ask them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def usual_sockets(variables: Mapping[str, str]) -> list[str]:
    """Return the sockets that exist in the usual places, each once."""
    runtime = variables.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    told = variables.get("DOCKER_HOST", "")
    places = [
        told.removeprefix("unix://") if told.startswith("unix://") else "",
        "/run/docker.sock",
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        "/run/podman/podman.sock",
        f"{runtime}/podman/podman.sock",
    ]
    existing = [place for place in places if place and _exists(place)]
    return list({str(Path(place).resolve()): place for place in reversed(existing)}.values())[::-1]


def how_to_allow(path: str) -> str:
    """Return how to let the agent's user ask: by its group. Never by opening the socket to all."""
    return (
        f"Let the agent's user into the socket's group: `sudo usermod -aG {_group(path)}"
        f" {_user()}`, then restart the agent. Who may use this socket is as good as root:"
        " never make it world-writable."
    )


def socket_groups(sockets: Iterable[str]) -> tuple[str, ...]:
    """Return the groups that may use these sockets; none for those that only root may."""
    import grp

    found = []
    for path in sockets:
        try:
            status = Path(path).stat()
            if status.st_gid and status.st_mode & 0o060 == 0o060:
                found.append(grp.getgrgid(status.st_gid).gr_name)
        except (OSError, KeyError):
            continue  # the agent will say why it cannot ask
    return tuple(dict.fromkeys(found))


def _exists(place: str) -> bool:
    try:
        return Path(place).exists()
    except PermissionError:
        return True  # it is for the engine's error to say so


def _group(path: str) -> str:
    import grp

    try:
        group = grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "docker"
    return "docker" if group == "root" else group  # nobody joins root's group for this


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
