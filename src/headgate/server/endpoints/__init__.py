"""What the gateway answers, one module per kind of endpoint. Handlers see exchanges, never a door."""
