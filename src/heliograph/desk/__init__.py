"""What a person at a desk does with one camera: look at it, record, measure, calibrate."""
