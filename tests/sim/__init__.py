"""A seeded simulator: virtual drivers, workers and time around the real cores."""
