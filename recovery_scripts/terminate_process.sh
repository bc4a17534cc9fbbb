#!/bin/bash
# description: End all processes of one name and one user, gently first.
# timeout: 180
# parameter: process ^[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,14}$
#   The exact name, as `ps -o comm` shows it (the kernel keeps 15 characters).
# parameter: user ^[a-z_][a-z0-9_-]{0,31}$
#   Whose processes; those of others are left alone.
# parameter: grace ^(0|[1-9][0-9]?)$ = 10
#   For how many seconds a process may end by itself before it is killed.

# shellcheck disable=SC2154  # SSM_* are declared above, the rest is set by the prelude

require id sleep

# Without these nobody reaches the machine any more.
case $SSM_process in
    init | systemd* | sshd | dbus-* | amazon-ssm-agen | ssm-*)
        finish refused "'$SSM_process' is never ended: the machine could not be reached without it"
        ;;
esac

uid=$(id -u -- "$SSM_user" 2>/dev/null) || finish refused "there is no user '$SSM_user' here"

# This script and all that started it, down to the first process, are spared.
declare -A spared=([1]=yes)
ancestor=$$
while [[ $ancestor != 0 ]]; do
    spared[$ancestor]=yes
    read_process "$ancestor" || break
    ancestor=$PARENT
done

# Whether a process has the name and the (real) user; leaves its start time in STARTED.
is_meant() {
    local key owner=''
    read_process "$1" || return 1
    [[ $NAME == "$SSM_process" ]] || return 1
    while read -r key owner _; do
        if [[ $key == Uid: ]]; then break; fi
    done 2>/dev/null <"/proc/$1/status" || return 1
    [[ $owner == "$uid" ]]
}

# Whether it still runs as the process it was, which its start time tells.
still_runs() { read_process "$1" && [[ $STARTED == "${victims[$1]}" ]]; }

# Send SIGNAL to each victim that is left. A number may have been given to another process since
# it was found, hence the look right before; bash offers nothing tighter.
signal_all() {
    local pid
    for pid in "${!victims[@]}"; do
        # It may end between the look and the signal, which is what was wanted.
        if still_runs "$pid"; then kill -s "$1" "$pid" || true; fi
    done
}

count_left() {
    local pid
    left=()
    for pid in "${!victims[@]}"; do
        if still_runs "$pid"; then left+=("$pid"); fi
    done
}

# Wait up to so many seconds for all victims to end.
wait_for_end() {
    local deadline
    deadline=$(($(milliseconds) + $1 * 1000))
    count_left
    while ((${#left[@]} > 0 && $(milliseconds) < deadline)); do
        sleep 0.1
        count_left
    done
}

declare -A victims=()
for directory in /proc/[0-9]*; do
    pid=${directory#/proc/}
    if [[ -z ${spared[$pid]:-} ]] && is_meant "$pid"; then victims[$pid]=$STARTED; fi
done
fact process "$SSM_process"
fact user "$SSM_user"
fact pids "${!victims[*]}"
((${#victims[@]} > 0)) || finish unchanged "no process '$SSM_process' of $SSM_user was running"

signal_all TERM
wait_for_end "$SSM_grace"
measure killed "${#left[@]}"
signal_all KILL
wait_for_end 5
if ((${#left[@]} > 0)); then
    finish failed "still running after SIGKILL: ${left[*]}"
fi
finish recovered "ended ${#victims[@]} process(es) '$SSM_process' of $SSM_user: ${!victims[*]}"
