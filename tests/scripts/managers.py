"""Stand-ins for service managers that test machines lack.

They print what systemd and Docker document for the few questions that the scripts ask. Nothing
here was run against a real systemd or a real container engine; Supervisor is the real one.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.scripts.machine import Machine

SYSTEMCTL = """
echo "$*" >>{home}/calls
unit=${{!#}}
if [[ ! -f {home}/$unit ]]; then
    if [[ $1 != show ]]; then echo "Failed to $1 $unit: Unit $unit not found." >&2; exit 5; fi
    printf 'LoadState=not-found\\nActiveState=inactive\\nMainPID=0\\nInvocationID=\\n'
    exit
fi
case $1 in
    show) cat "{home}/$unit" ;;
    restart) cp "{home}/$unit.restarted" "{home}/$unit" ;;
esac
"""

# The template is compared because nothing here can evaluate it.
ENGINE = """
echo "$*" >>{home}/calls
case $1 in
    --version) echo '{version}' ;;
    container)
        [[ $2 == inspect && $3 == --format ]] || exit 125
        [[ $4 == '{template}' ]] || exit 64
        if [[ ! -f {home}/$5 ]]; then echo "Error: No such container: $5" >&2; exit 1; fi
        cat "{home}/$5"
        ;;
    restart)
        name=${{!#}}
        if [[ ! -f {home}/$name ]]; then echo "Error: No such container: $name" >&2; exit 1; fi
        cp "{home}/$name.restarted" "{home}/$name"
        echo "$name"
        ;;
esac
"""
TEMPLATE = "{{.Name}} {{.State.Status}} {{.State.Pid}} {{with .State.Health}}{{.Status}}{{end}}"


@dataclass(frozen=True)
class Manager:
    """A stand-in: what it knows now, and what it will show after a restart."""

    home: Path

    def knows(self, name: str, now: str, restarted: str) -> None:
        (self.home / name).write_text(f"{now}\n")
        (self.home / f"{name}.restarted").write_text(f"{restarted}\n")

    @property
    def restarts(self) -> list[str]:
        calls = self.home / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line for line in lines if line.startswith("restart ")]


def install_systemd(machine: Machine) -> Manager:
    manager = _manager(machine, "systemd")
    machine.install("systemctl", SYSTEMCTL.format(home=manager.home))
    return manager


def install_engine(machine: Machine, name: str, version: str) -> Manager:
    manager = _manager(machine, f"{name}-state")
    machine.install(name, ENGINE.format(home=manager.home, version=version, template=TEMPLATE))
    return manager


def unit(state: str, pid: int, invocation: str = "a") -> str:
    """Return what `systemctl show` prints of a unit."""
    return f"LoadState=loaded\nActiveState={state}\nMainPID={pid}\nInvocationID={invocation}"


def _manager(machine: Machine, name: str) -> Manager:
    home = machine.home / name
    home.mkdir()
    return Manager(home)
