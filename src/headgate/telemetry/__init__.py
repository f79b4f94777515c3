"""What is seen from outside: metrics and the log line of each call. Never bodies or secrets."""
