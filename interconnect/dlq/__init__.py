"""Dead letters: why they died, repairs, replays, discards."""
