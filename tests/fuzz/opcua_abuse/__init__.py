"""Attacks on the OPC UA endpoint from outside, over loopback; each is bounded in count and time."""
