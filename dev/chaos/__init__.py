"""Fault injection: breaks a throwaway platform in many ways while a run works, and checks what becomes of it."""
