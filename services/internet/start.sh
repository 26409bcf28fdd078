#!/bin/bash
# Runs nginx, and fcgiwrap for the requests that a program answers: git and the inbox. When either ends, the container ends.
trap 'kill $(jobs -p)' TERM INT
fcgiwrap -f -c 4 -s unix:/tmp/fcgiwrap.sock &
nginx &
wait -n
