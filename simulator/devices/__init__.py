"""One file per simulated device kind: physics, payload and commands, without clock or I/O."""
