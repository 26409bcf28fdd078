"""What Orionbox's flows, its bootstrap and its command line share."""
