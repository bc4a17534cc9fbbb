#!/bin/bash
# description: Restart one service and wait until it is really active, as a new process.
# timeout: 180
# parameter: service ^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,127}$
#   The systemd unit, container or Supervisor program to restart.
# parameter: manager ^(auto|systemd|docker|podman|supervisor)$ = auto
#   Who runs the service; "auto" asks all and refuses when two of them know the name.
# parameter: supervisor_config ^((/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+)?$ =
#   The configuration file for supervisorctl, where it is not in its usual place.
# parameter: settle ^(0|[1-9][0-9]?)$ = 5
#   For how many seconds the new process has to stay active.
# parameter: within ^[1-9][0-9]?$ = 60
#   After how many seconds, restart included, to give up.

# shellcheck disable=SC2154  # SSM_* are declared above, the rest is set by the prelude

require_time_to_settle
choose_managers
find_manager "$SSM_service" || finish refused "no service '$SSM_service' known to ${ASKED[*]}"
fact service "$SSM_service"
fact manager "$MANAGER"

restarted=yes
restart_and_watch "$SSM_service" "$MANAGER" || restarted=no
measure old_pid "$OLD_PID"
measure new_pid "$NEW_PID"
fact state "$STATE"
if [[ $restarted == no ]]; then
    finish failed "$SSM_service ($MANAGER) did not stay up, it is '$STATE'; told: $SAID"
fi
finish recovered "$SSM_service ($MANAGER) runs as $NEW_PID, was $OLD_PID, up for $SSM_settle s"
