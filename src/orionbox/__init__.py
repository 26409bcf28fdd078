"""The library that flows, services and the command line share."""
