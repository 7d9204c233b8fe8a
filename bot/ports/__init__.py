"""The Protocols that services call, and the values that cross them."""
