"""The doors messages come in by: MLLP and HTTP, acknowledgments, and the way into the queue."""
