"""The public page of a line where people sign up for its texts."""
