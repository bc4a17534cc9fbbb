#!/bin/bash
# description: Restart the one of the listed services that holds the most memory.
# timeout: 240
# parameter: services ^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,127}(,[A-Za-z0-9][A-Za-z0-9_.@:-]{0,127}){0,19}$
#   The services that may be restarted, with commas; those not on this machine are passed over.
# parameter: manager ^(auto|systemd|docker|podman|supervisor)$ = auto
#   Who runs them; "auto" asks all and refuses when two of them know a name.
# parameter: supervisor_config ^((/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+)?$ =
#   The configuration file for supervisorctl, where it is not in its usual place.
# parameter: settle ^(0|[1-9][0-9]?)$ = 5
#   For how many seconds the new process has to stay active.
# parameter: within ^[1-9][0-9]?$ = 60
#   After how many seconds, restart included, to give up.

# shellcheck disable=SC2154  # SSM_* are declared above, the rest is set by the prelude

require_time_to_settle
require getconf
choose_managers
page_size=$(getconf PAGESIZE)

# Set AVAILABLE to the bytes that new programs could have.
read_available() {
    local key kilobytes
    while read -r key kilobytes _; do
        if [[ $key == MemAvailable: ]]; then break; fi
    done </proc/meminfo
    AVAILABLE=$((kilobytes * 1024))
}

# Set GROUP to the control group of a process (of the old kind of hierarchies: the first).
read_group() {
    read -r GROUP 2>/dev/null <"/proc/$1/cgroup" || return 1
    GROUP=${GROUP#*:*:}
}

# Put the processes into MEMBERS that share the control group of one, or are in a group below.
list_group() {
    local directory group
    MEMBERS=()
    read_group "$1" || return 0
    group=${GROUP%/}
    for directory in /proc/[0-9]*; do
        if read_group "${directory#/proc/}" && [[ $GROUP/ == "$group"/* ]]; then
            MEMBERS+=("${directory#/proc/}")
        fi
    done
}

# Put a process into MEMBERS, and all that it started.
list_descendants() {
    local directory index next
    local -A children=()
    for directory in /proc/[0-9]*; do
        if read_process "${directory#/proc/}"; then children[$PARENT]+=" ${directory#/proc/}"; fi
    done
    MEMBERS=("$1")
    for ((index = 0; index < ${#MEMBERS[@]}; index++)); do
        read -r -a next <<<"${children[${MEMBERS[index]}]:-}"
        MEMBERS+=("${next[@]}")
    done
}

# Set BYTES to the resident memory of a service, pages that its processes share counted in each:
# weigh NAME MANAGER. A unit or container is a control group; the programs of Supervisor live in
# its own, so they are told apart by descent.
weigh() {
    local pid pages=0
    BYTES=0
    look "$1" "$2"
    if ((PID == 0)); then return 0; fi
    if [[ $2 == supervisor ]]; then list_descendants "$PID"; else list_group "$PID"; fi
    for pid in "${MEMBERS[@]}"; do
        if read_process "$pid"; then pages=$((pages + RESIDENT)); fi
    done
    BYTES=$((pages * page_size))
}

# Set LARGEST, its manager and its bytes; LARGEST stays empty when none of the services runs here.
find_largest() {
    local services service
    LARGEST='' LARGEST_MANAGER='' LARGEST_BYTES=0
    IFS=',' read -r -a services <<<"$SSM_services"
    for service in "${services[@]}"; do
        if ! find_manager "$service"; then continue; fi
        weigh "$service" "$MANAGER"
        if ((BYTES > LARGEST_BYTES)); then
            LARGEST=$service LARGEST_MANAGER=$MANAGER LARGEST_BYTES=$BYTES
        fi
    done
}

find_largest
if [[ -z $LARGEST ]]; then finish failed "none of $SSM_services runs here (${ASKED[*]})"; fi
fact service "$LARGEST"
fact manager "$LARGEST_MANAGER"
read_available
measure available_before_bytes "$AVAILABLE"
measure service_before_bytes "$LARGEST_BYTES"

restarted=yes
restart_and_watch "$LARGEST" "$LARGEST_MANAGER" || restarted=no
measure old_pid "$OLD_PID"
measure new_pid "$NEW_PID"
weigh "$LARGEST" "$LARGEST_MANAGER"
read_available
measure available_after_bytes "$AVAILABLE"
measure service_after_bytes "$BYTES"

if [[ $restarted == no ]]; then
    finish failed "$LARGEST ($LARGEST_MANAGER) did not stay up, it is '$STATE'; told: $SAID"
fi
change="from $((LARGEST_BYTES >> 20)) to $((BYTES >> 20)) MiB"
# A few pages more or less are chance; a cure is a tenth.
if ((BYTES * 10 > LARGEST_BYTES * 9)); then
    finish failed "$LARGEST was restarted and holds hardly less: $change"
fi
finish recovered "$LARGEST ($LARGEST_MANAGER) was restarted and went $change"
