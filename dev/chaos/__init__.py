"""Fault injection: breaks a throwaway platform in many ways while a run is in progress, and checks that it recovers."""
