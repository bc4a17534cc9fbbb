#!/bin/bash
# description: Do nothing and say so; a canary for the way to a machine and back.
# timeout: 30

fact host "${HOSTNAME:-unknown}"
finish unchanged 'did nothing, as asked'
