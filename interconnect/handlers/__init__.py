"""What each kind of message says about patients."""
