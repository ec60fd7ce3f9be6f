"""Features kept from the stream: definitions that stand, keys in memory, folding, filling, forgetting."""
