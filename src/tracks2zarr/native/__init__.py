"""The C sources, and the modules that call them; no other module knows that C exists."""
