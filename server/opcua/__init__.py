"""The OPC UA room; the only one that imports the stack, and of it only what is used."""

from server.opcua.light_stack import prepare

prepare()
