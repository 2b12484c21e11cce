"""The node's cameras: served on the network, and at the disposal of commands at the same time."""
