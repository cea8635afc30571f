"""What the back ends can run, and the quantizers, observers and settings for each of them."""
