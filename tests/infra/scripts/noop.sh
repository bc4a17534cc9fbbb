#!/bin/bash
# description: Stands for the canary's script, so that the snapshot changes with the stack alone.
# timeout: 30

true
