"""The on-board program: cameras served, telemetry sampled, commands and sequences obeyed, files moved."""
