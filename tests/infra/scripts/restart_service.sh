#!/bin/bash
# description: Stands for a recovery script, so that the snapshot changes with the stack alone.
# timeout: 60
# parameter: service ^[a-z]+$
#   Whatever.

true
