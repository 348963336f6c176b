"""Events in: from bytes to durable facts, one decision per event."""
