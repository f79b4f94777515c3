"""The HTTP/1.1 client: connections, TLS, proxies, bodies. Knows no dialect and no provider."""
