"""The server of `ov serve`, with REST, WebSocket and the coordinator that lives and dies with it."""
