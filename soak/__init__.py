"""A month of a province in accelerated time against the real service, and what comes of it."""
