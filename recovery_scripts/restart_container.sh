#!/bin/bash
# description: Restart one container and wait until it runs, and is healthy where it has a check.
# timeout: 600
# parameter: container ^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$
#   The name of a container that exists; none is ever created.
# parameter: manager ^(auto|docker|podman)$ = auto
#   Whose container it is; "auto" asks both engines and refuses when both have it.
# parameter: grace_seconds ^(0|[1-9][0-9]?)$ = 10
#   How long its main process may take to end before it is killed.
# parameter: settle ^(0|[1-9][0-9]?)$ = 5
#   For how many seconds it has to stay up.
# parameter: within ^([1-9][0-9]?|[12][0-9][0-9])$ = 120
#   After how many seconds, stopping included, to give up.

# shellcheck disable=SC2154  # SSM_* are declared above, the rest is set by the prelude

require_time_to_settle
((SSM_grace_seconds + SSM_settle < SSM_within)) ||
    finish refused 'grace_seconds and settle together must be shorter than within'

ASKED=("$SSM_manager")
if [[ $SSM_manager == auto ]]; then
    ASKED=()
    for engine in docker podman; do
        if command -v "$engine" >/dev/null; then ASKED+=("$engine"); fi
    done
    ((${#ASKED[@]} > 0)) || finish unavailable 'neither docker nor podman is installed here'
fi
require "${ASKED[@]}"

# In place of the prelude's, which leave the grace to the engine. Both spell it the same way.
# shellcheck disable=SC2329  # called by restart_and_watch
restart_docker() { timeout "$SSM_within" docker restart -t "$SSM_grace_seconds" "$1"; }
# shellcheck disable=SC2329
restart_podman() { timeout "$SSM_within" podman restart -t "$SSM_grace_seconds" "$1"; }

find_manager "$SSM_container" || finish refused "no container '$SSM_container' in ${ASKED[*]}"
fact container "$SSM_container"
fact manager "$MANAGER"

restarted=yes
restart_and_watch "$SSM_container" "$MANAGER" || restarted=no
measure old_pid "$OLD_PID"
measure new_pid "$NEW_PID"
fact state "$STATE"
if [[ $restarted == no ]]; then
    finish failed "$SSM_container ($MANAGER) did not stay up, it is '$STATE'; told: $SAID"
fi
finish recovered "$SSM_container ($MANAGER) runs as $NEW_PID, was $OLD_PID, up for $SSM_settle s"
