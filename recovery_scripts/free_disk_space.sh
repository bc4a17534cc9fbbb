#!/bin/bash
# description: Delete what can be missed (package caches, journals, rotated logs, temporary files).
# timeout: 600
# parameter: mount ^(/|(/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+)$ = /
#   The mount point, or any path on it, whose free space counts.
# parameter: until_below ^[1-9][0-9]?$ = 85
#   Stop as soon as less than this percentage of it is in use; below it already, do nothing.
# parameter: paths ^(/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+(,(/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+){0,15}$ = /var/log,/var/cache
#   Directories, with commas, in which package caches, journals and rotated logs may be deleted.
# parameter: temporary_paths ^((/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+(,(/[.]?[A-Za-z0-9_-][A-Za-z0-9_.@+-]*)+){0,15})?$ =
#   Directories, with commas, in which every old file may be deleted; none unless given.
# parameter: older_than_days ^[1-9][0-9]{0,2}$ = 7
#   How old a journal, a rotated log or a temporary file has to be.

# shellcheck disable=SC2154  # SSM_* are declared above, the rest is set by the prelude

require df du find awk

FREED_BYTES=0 DELETED_FILES=0 PROBLEMS=''
minutes=$((SSM_older_than_days * 1440))

# The endings that rotation gives to a file: app.log.1, app.log-20260131.gz, app.2026-01-31.log.
readonly ROTATED='.*([.][0-9]{1,3}|[.-]20[0-9]{2}-?[0-9]{2}-?[0-9]{2}(-[0-9]+)?|[.]old)([.]log)?([.](gz|xz|bz2|zst))?'

read_used_percent() {
    local line
    line=$(df --output=pcent -- "$SSM_mount")
    USED_PERCENT=${line//[^0-9]/}
}

problem() { PROBLEMS+="${PROBLEMS:+; }$1"; }

# Go to a directory that may be cleaned. The work is then done where we stand, so that a link put
# in its place meanwhile leads nowhere; a link that is there already is a refusal.
enter() {
    case $1/ in
        /bin/* | /boot/* | /dev/* | /etc/* | /lib/* | /lib64/* | /proc/* | /root/* | /run/* | \
            /sbin/* | /sys/* | /usr/* | /home/ | /opt/ | /srv/ | /var/ | /var/lib/)
            finish refused "nothing is ever deleted in $1"
            ;;
    esac
    cd -P -- "$1" || finish refused "cannot enter $1"
    [[ $(pwd -P) == "$1" ]] || finish refused "$1 is a link to $(pwd -P): name that directory"
}

# Put the directories of a list into CHECKED. A list may serve many machines: what is not on this
# one is passed over, and told.
check_directories() {
    local listed path
    CHECKED=()
    IFS=',' read -r -a listed <<<"$1"
    for path in "${listed[@]}"; do
        if [[ ! -e $path ]]; then
            problem "there is no $path"
            continue
        fi
        enter "$path"
        CHECKED+=("$path")
    done
    cd /
}

# Delete the files here that find's arguments select. Names stay inside find, however odd; links
# are neither followed nor deleted, other mounts not entered.
delete_files() {
    local counted freed files
    # A hard link that is not the last frees nothing.
    counted=$(find -P . -xdev -type f "$@" -delete -printf '%n %b\n' |
        awk '$1 == 1 { blocks += $2 } END { printf "%.0f %d", blocks * 512, NR }') ||
        problem "could not delete everything in $PWD"
    read -r freed files <<<"$counted"
    FREED_BYTES=$((FREED_BYTES + freed)) DELETED_FILES=$((DELETED_FILES + files))
}

bytes_in() {
    local line
    line=$(du -sxB1 -- "$1" || true)    # also fails when a file vanishes under it
    printf '%s' "${line%%[^0-9]*}"
}

# Run a tool that tidies up a directory of its own: tidy DIRECTORY COMMAND...; passed over where the
# directory is in none of SSM_paths, or the tool is missing.
tidy() {
    local directory=$1 before freed
    is_covered "$directory" || return 0
    command -v "$2" >/dev/null || return 0
    before=$(bytes_in "$directory")
    "${@:2}" || problem "$2 failed with exit code $?"
    freed=$((before - $(bytes_in "$directory")))
    if ((freed > 0)); then FREED_BYTES=$((FREED_BYTES + freed)); fi
}

# Whether a directory exists, is no link, and lies in (or is) one of SSM_paths.
is_covered() {
    local path
    [[ -d $1 && ! -L $1 ]] || return 1
    for path in "${paths[@]}"; do
        if [[ $1/ == "$path"/* ]]; then return 0; fi
    done
    return 1
}

# The four ways, from the one that is missed least.
delete_package_caches() {
    tidy /var/cache/apt/archives apt-get clean
    tidy /var/cache/dnf dnf --quiet clean packages
}
delete_journals() {
    tidy /var/log/journal journalctl --vacuum-time="${SSM_older_than_days}d"
}
delete_rotated_logs() {
    local path
    for path in "${paths[@]}"; do
        enter "$path"
        delete_files -regextype posix-extended -regex "$ROTATED" -mmin "+$minutes"
    done
}
delete_temporary_files() {
    local path
    for path in "${temporary_paths[@]}"; do
        enter "$path"
        # What an archive put here today has its old date, but was read and written today.
        delete_files -mmin "+$minutes" -amin "+$minutes"
    done
}

# All paths are looked at before the first file goes.
check_directories "$SSM_paths"
paths=("${CHECKED[@]}")
check_directories "$SSM_temporary_paths"
temporary_paths=("${CHECKED[@]}")

fact mount "$SSM_mount"
read_used_percent
USED_BEFORE=$USED_PERCENT
measure used_percent_before "$USED_BEFORE"
for way in package_caches journals rotated_logs temporary_files; do
    if ((USED_PERCENT < SSM_until_below)); then break; fi
    "delete_$way"
    read_used_percent
done
measure used_percent_after "$USED_PERCENT"
measure freed_bytes "$FREED_BYTES"
measure deleted_files "$DELETED_FILES"
fact problems "$PROBLEMS"

change="$((FREED_BYTES >> 20)) MiB freed on $SSM_mount, from $USED_BEFORE % to $USED_PERCENT % in use"
if ((USED_BEFORE < SSM_until_below)); then
    finish unchanged "$SSM_mount is at $USED_BEFORE %, below $SSM_until_below % already"
fi
if ((USED_PERCENT < SSM_until_below)); then finish recovered "$change"; fi
if ((FREED_BYTES == 0)); then
    finish failed "nothing could be freed on $SSM_mount${PROBLEMS:+; $PROBLEMS}"
fi
finish failed "$change, which is not below $SSM_until_below %"
