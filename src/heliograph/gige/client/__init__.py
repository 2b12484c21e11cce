"""The host's side of GigE Vision: discovery, control, features and reception of frames."""
