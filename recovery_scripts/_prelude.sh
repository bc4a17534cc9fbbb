#!/bin/bash
# What all recovery scripts share. It is put in front of each of them, followed by one line per
# declared parameter; that rendered text is what runs, through Systems Manager and locally alike.
#
# The result is one line of JSON, the only thing on standard output; all else goes to standard
# error. A script ends by calling `finish`; its exit code is that of the outcome:
#
#   recovered, unchanged  0    the cure took, or there was nothing to do
#   failed                1    the cure did not take
#   refused              64    the request makes no sense here, nothing was done
#   unavailable          69    a tool is missing, nothing was done
#   too_late             75    past `not_after`, nothing was done
#
# SSM_* are the parameters, set by the lines made from the header (SC2154); a script uses only a
# part of what is here (SC2034, SC2329).
# shellcheck disable=SC2154,SC2034,SC2329

set -euo pipefail
set -E                                  # functions report the line they failed in, too
export LC_ALL=C                         # ranges in patterns are bytes, numbers have a point
export PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
cd /                                    # some tools read a configuration from where they stand
exec 3>&1 1>&2

SCRIPT='' OUTCOME='' MESSAGE='' FACTS='' FAILED_LINE='?'

# --- The result -----------------------------------------------------------------------------------

# Print TEXT as a JSON string: printable ASCII, cut, so that it is valid whatever the names are.
json_string() {
    local text=${1:0:400}
    text=${text//[^ -~]/ }
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "$text"
}

# Add a text, or a whole number, to the result: fact NAME TEXT, measure NAME INTEGER.
fact() { FACTS+=",\"$1\":$(json_string "$2")"; }
measure() { FACTS+=",\"$1\":$(printf '%d' "$2")"; }

# End the script: finish OUTCOME MESSAGE.
finish() {
    OUTCOME=$1 MESSAGE=$2
    case $OUTCOME in
        recovered | unchanged) exit 0 ;;
        refused) exit 64 ;;
        unavailable) exit 69 ;;
        too_late) exit 75 ;;
        *) exit 1 ;;
    esac
}

report() {
    local status=$?
    if [[ -z $OUTCOME ]]; then
        OUTCOME=failed MESSAGE="stopped unexpectedly near line $FAILED_LINE with exit code $status"
        # To Systems Manager 194 means "reboot and run me again", and 0 that all is well.
        if ((status == 0 || status == 194)); then status=1; fi
    fi
    printf '{"script":"%s","attempt":%s,"outcome":"%s","message":%s,"seconds":%d%s}\n' "$SCRIPT" \
        "$(json_string "${SSM_attempt:-}")" "$OUTCOME" "$(json_string "$MESSAGE")" "$SECONDS" \
        "$FACTS" >&3
    exit "$status"
}
trap report EXIT
trap 'FAILED_LINE=$LINENO' ERR
trap 'OUTCOME=failed MESSAGE="interrupted by a signal"; exit 143' HUP INT TERM

# --- Before anything happens ----------------------------------------------------------------------

# Take the script's name, and make sure that this bash has EPOCHREALTIME.
begin() {
    SCRIPT=$1
    ((BASH_VERSINFO[0] >= 5)) || finish unavailable "bash $BASH_VERSION is too old, 5 is needed"
}

# Check a parameter, fill in its default: parameter NAME PATTERN [DEFAULT].
parameter() {
    local variable=SSM_$1
    printf -v "$variable" '%s' "${!variable-${3-}}"
    [[ ${!variable} =~ $2 ]] || finish refused "parameter $1 is '${!variable}', not $2"
}

stop_when_late() {
    local late=$((EPOCHSECONDS - 10#$SSM_not_after))
    ((late <= 0)) || finish too_late "it is $late s past not_after, so nothing was done"
}

# Go on only where all of these commands exist.
require() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || finish unavailable "this machine has no '$tool'"
    done
}

milliseconds() { printf '%s' "$((${EPOCHREALTIME/./} / 1000))"; }

# --- Processes ------------------------------------------------------------------------------------

# Look at a process: sets NAME, PARENT, STARTED (clock ticks) and RESIDENT (pages). Fails when it
# has ended, be it as a zombie that only waits for its parent.
read_process() {
    local line fields
    read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    NAME=${line#*(} NAME=${NAME%)*}         # the name may itself contain brackets and spaces
    read -r -a fields <<<"${line##*) }"
    PARENT=${fields[1]} STARTED=${fields[19]} RESIDENT=${fields[21]}
    [[ ${fields[0]} != [ZX] ]]
}

# --- Services -------------------------------------------------------------------------------------
#
# Four managers, the same three functions for each:
#   look_at_MANAGER NAME  fails when it does not know NAME; else sets STATE ("active" or a word
#                         that is not), PID (0 when none) and IDENTITY (changes with every start)
#   restart_MANAGER NAME  asks for a restart

readonly MANAGERS=(systemd docker podman supervisor)
readonly PATIENCE=20                    # seconds for a manager to answer a question

tool_of() {
    case $1 in
        systemd) echo systemctl ;;
        supervisor) echo supervisorctl ;;
        *) echo "$1" ;;
    esac
}

# Only services are restarted, never a target or a mount: `reboot.target` becomes a name that
# does not exist.
unit() { printf '%s' "${1%.service}.service"; }

look_at_systemd() {
    local properties key value invocation=''
    properties=$(timeout "$PATIENCE" systemctl show \
        --property=LoadState,ActiveState,MainPID,InvocationID -- "$(unit "$1")") || return 1
    [[ $properties == *LoadState=loaded* ]] || return 1
    while IFS='=' read -r key value; do
        case $key in
            ActiveState) STATE=$value ;;
            MainPID) PID=$value ;;
            InvocationID) invocation=$value ;;
        esac
    done <<<"$properties"
    IDENTITY=$PID
    if ((PID == 0)); then IDENTITY=$invocation; fi      # a unit without a main process
}
restart_systemd() { timeout "$SSM_within" systemctl restart -- "$(unit "$1")"; }

# Docker and Podman: look_at_container ENGINE NAME.
look_at_container() {
    local format line name status health
    # Written with angle brackets: Systems Manager takes doubled braces for its own.
    format='<<.Name>> <<.State.Status>> <<.State.Pid>> <<with .State.Health>><<.Status>><<end>>'
    format=$(tr '<>' '{}' <<<"$format")
    line=$(timeout "$PATIENCE" "$1" container inspect --format "$format" "$2") || return 1
    read -r name status PID health <<<"$line"
    [[ ${name#/} == "$2" ]] || return 1     # the engines also find by the first digits of an id
    IDENTITY=$PID
    case $status:$health in
        running: | running:none | running:healthy) STATE=active ;;
        running:*) STATE=$health ;;
        *) STATE=$status ;;
    esac
}
look_at_podman() { look_at_container podman "$1"; }
look_at_docker() {
    # `docker` may be Podman in disguise, which would then be found twice.
    [[ $(timeout "$PATIENCE" docker --version) != podman* ]] && look_at_container docker "$1"
}
restart_podman() { timeout "$SSM_within" podman restart "$1"; }
restart_docker() { timeout "$SSM_within" docker restart "$1"; }

supervisor() {
    local options=()
    if [[ -n $SSM_supervisor_config ]]; then options=(-c "$SSM_supervisor_config"); fi
    timeout "$1" supervisorctl "${options[@]}" "${@:2}"
}
look_at_supervisor() {
    local line name status word number
    # The exit code is also non-zero for a program that is merely stopped: the text decides.
    line=$(supervisor "$PATIENCE" status "$1" || true)
    read -r name status word number _ <<<"$line"
    [[ $name == "$1" && $status == [A-Z]* ]] || return 1
    PID=0
    if [[ $word == pid ]]; then PID=${number%,}; fi
    IDENTITY=$PID STATE=${status,,}
    if [[ $STATE == running ]]; then STATE=active; fi
}
restart_supervisor() { supervisor "$SSM_within" restart "$1"; }

# Put the managers to ask into ASKED: the one that SSM_manager names, or all that are installed.
choose_managers() {
    local manager
    ASKED=("$SSM_manager")
    if [[ $SSM_manager != auto ]]; then
        require "$(tool_of "$SSM_manager")"
        return
    fi
    ASKED=()
    for manager in "${MANAGERS[@]}"; do
        if command -v "$(tool_of "$manager")" >/dev/null; then ASKED+=("$manager"); fi
    done
    ((${#ASKED[@]} > 0)) || finish unavailable "none of ${MANAGERS[*]} is installed here"
}

# Set MANAGER to the one that knows a service; fails when none does, refuses when two do.
find_manager() {
    local manager found=()
    for manager in "${ASKED[@]}"; do
        if "look_at_$manager" "$1" 2>/dev/null; then found+=("$manager"); fi
    done
    if ((${#found[@]} > 1)); then
        finish refused "$1 is known to ${found[*]}: say which with the parameter 'manager'"
    fi
    MANAGER=${found[0]:-}
    [[ -n $MANAGER ]]
}

# Look at a service that may have vanished: look NAME MANAGER.
look() {
    if ! "look_at_$2" "$1"; then STATE=gone PID=0 IDENTITY=''; fi
}

# Whether SSM_settle fits into SSM_within; the scripts that restart services take both.
require_time_to_settle() {
    require timeout tr sleep
    ((SSM_settle < SSM_within)) || finish refused 'settle must be shorter than within'
}

# Restart a service and watch it: restart_and_watch NAME MANAGER. Succeeds once it has been active
# as one and the same new process for SSM_settle seconds, fails when that did not happen within
# SSM_within; sets OLD_PID and NEW_PID, and SAID to what the manager answered.
restart_and_watch() {
    local old_identity watched='' since=0 deadline
    look "$1" "$2"
    OLD_PID=$PID old_identity=$IDENTITY
    deadline=$(($(milliseconds) + SSM_within * 1000))
    # The exit code proves little (Supervisor's is non-zero when it had to start what was down),
    # so it is only told; what the manager shows afterwards decides.
    SAID=$("restart_$2" "$1" 2>&1) || SAID="exit code $?: $SAID"
    while true; do
        look "$1" "$2"
        NEW_PID=$PID
        if [[ $STATE == failed || $STATE == fatal ]]; then return 1; fi
        if [[ $STATE != active || $IDENTITY == "$old_identity" ]]; then
            watched=''
        elif [[ $IDENTITY != "$watched" ]]; then
            watched=$IDENTITY since=$(milliseconds)
        fi
        if [[ -n $watched ]] && (($(milliseconds) - since >= SSM_settle * 1000)); then return 0; fi
        if (($(milliseconds) >= deadline)); then return 1; fi
        sleep 0.2
    done
}
