"""The desk: one picture of a loop, made from the client's messages, that every face shows.

Nothing here draws, opens a port or waits; clocks are arguments. Memory is bounded however long somebody looks.
"""
