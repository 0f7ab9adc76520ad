"""What is asked over the network, and nothing else: the one place that sees httpx and unearth."""
