"""What `make` calls on the host: starts the platform, runs its jobs, fills its data folder. Standard library only."""
