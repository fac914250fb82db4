"""Work on products, from the queue through admission and monitoring to its cost."""
