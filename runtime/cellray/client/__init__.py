"""What every process that talks to a node shares, driver or worker: connecting, and the channel."""
