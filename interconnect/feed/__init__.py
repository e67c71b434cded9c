"""What is known of each sender: rates, silence, gaps."""
