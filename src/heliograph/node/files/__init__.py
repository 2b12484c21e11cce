"""The node's files: listed, deleted, sent to the ground and received from it, all below one root."""

from heliograph.node.files.service import FileService

__all__ = ["FileService"]
