"""HTTP: routes, views, problems and keys."""
