"""The C sources and the modules that call them; nothing else knows that there is C."""
