"""The vehicle that carries the node: its telemetry, and arming it."""
