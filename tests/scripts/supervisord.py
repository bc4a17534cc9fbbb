"""A real supervisord with programs that misbehave in the ways the scripts must survive.

Every program ends when its standard input does, so none outlives the supervisord that holds it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.scripts.machine import eventually, tool_of_this_environment

# Holds memory until it is restarted: the leak is in the process, not in the program.
LEAKY = """
import os, sys
held = b"" if os.path.exists(sys.argv[1]) else b"x" * 40_000_000
open(sys.argv[1], "w").close()
print("ready", flush=True)
sys.stdin.read()
"""
# Holds its memory in a child, and as much again after every restart.
GREEDY = """
import subprocess, sys
child = "import sys; held = b'x' * 60_000_000; print('ready', flush=True); sys.stdin.read()"
subprocess.run([sys.executable, "-IS", "-c", child])
"""

CONFIGURATION = """
[supervisord]
nodaemon = true
logfile = {home}/supervisord.log
pidfile = {home}/supervisord.pid
childlogdir = {home}
[unix_http_server]
file = {home}/supervisor.sock
[supervisorctl]
serverurl = unix://{home}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:web]
command = cat
startsecs = 0
[program:dormant]
command = cat
startsecs = 0
autostart = false
[program:broken]
command = false
startretries = 0
autostart = false
[program:flapping]
command = sleep 0.3
startsecs = 0
autorestart = true
autostart = false
[program:leaky]
command = {python} -IS {home}/leaky.py {home}/leaked
startsecs = 0
stdout_logfile = {home}/leaky.log
[program:greedy]
command = {python} -IS {home}/greedy.py
startsecs = 1
stopasgroup = true
killasgroup = true
stdout_logfile = {home}/greedy.log
"""


@contextmanager
def running_supervisord(home: Path) -> Iterator[Path]:
    """Run supervisord until the block ends; gives its configuration file."""
    (home / "leaky.py").write_text(LEAKY)
    (home / "greedy.py").write_text(GREEDY)
    configuration = home / "supervisord.conf"
    configuration.write_text(CONFIGURATION.format(home=home, python=sys.executable))
    command = [str(tool_of_this_environment("supervisord")), "-c", str(configuration)]
    with subprocess.Popen(
        command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually((home / "supervisor.sock").exists)
            eventually(partial(_says_ready, home / "leaky.log"))
            eventually(partial(_says_ready, home / "greedy.log"))
            yield configuration
        finally:
            process.kill()


def _says_ready(log: Path) -> bool:
    return log.exists() and "ready" in log.read_text()
