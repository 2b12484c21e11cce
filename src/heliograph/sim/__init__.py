"""Simulated cameras: scenes, a lens, a free-running rolling-shutter sensor, and the true times of all they do."""
