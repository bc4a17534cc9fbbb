"""What people are told: composed once, in plain words, then shaped for each channel."""
