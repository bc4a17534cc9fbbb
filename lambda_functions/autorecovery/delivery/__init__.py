"""From a recorded notice to every channel: each delivers, fails and gives up on its own."""
