"""What board and ground say to each other: messages, signatures, telemetry that is spooled, commands, files.

Nothing here knows what a node or a station does with it.
"""
