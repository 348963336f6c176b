"""From a passed instant to people who know: sweep, digest, outbox, channels (DESIGN 7)."""
