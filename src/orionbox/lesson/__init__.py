"""The lesson's checks: what a student has achieved, found in Orion and in the stores. No input or output of its own."""
