"""NodeSets: declarative sources in, NodeSet2 files out, any NodeSet2 file into the address space."""

from server.opcua.nodesets.commands import build_all, check_folder, list_folder
from server.opcua.nodesets.model import NodeSetError, NodeSetFile
from server.opcua.nodesets.order import fingerprint, load_folder

__all__ = ["NodeSetError", "NodeSetFile", "build_all", "check_folder", "fingerprint", "list_folder", "load_folder"]
