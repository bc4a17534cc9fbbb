#!/bin/bash
begin() { SCRIPT=$1; }
parameter() { :; }
stop_when_late() { :; }
