"""The worker: claims of the queue, committed batch by batch."""
