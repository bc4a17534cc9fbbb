"""What `doctor` looks at: each check is a function that returns what it found, and the fix."""
