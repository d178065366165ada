"""The standard aggregates of OPC 10000-13 on raw values: pure, exact, one family a file."""
