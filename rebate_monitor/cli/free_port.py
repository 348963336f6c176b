"""Find a port for the demo, so that it starts even where 8080 is taken."""

import socket

FIRST_PORT, LAST_PORT = 8080, 8099


def free_port() -> int:
    """Return the first free port from 8080 on, or 0 to let the system choose."""
    return next((port for port in range(FIRST_PORT, LAST_PORT + 1) if _is_free(port)), 0)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
