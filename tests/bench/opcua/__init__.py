"""OPC UA servers side by side: ours, node-opcua's and asyncua's under the same load, CPU per unit of work."""
