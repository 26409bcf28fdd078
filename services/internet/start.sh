#!/bin/bash
# nginx, and fcgiwrap for what takes a program to answer: git and the inbox. When either ends, so does the container.
trap 'kill $(jobs -p)' TERM INT
fcgiwrap -f -c 4 -s unix:/tmp/fcgiwrap.sock &
nginx &
wait -n
