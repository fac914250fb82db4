"""`serve`: REST, WebSocket, and the coordinator that lives and dies with it."""
