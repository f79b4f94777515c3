"""Wire formats: bytes and structs in, bytes and structs out. No socket, clock, environment or provider."""
