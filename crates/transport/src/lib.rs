//! TLS, WebSocket, Unix socket and ssh links of Quarterdeck, and its typed client.
