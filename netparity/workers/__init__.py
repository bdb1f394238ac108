"""One backend in a process of its own: both ends of the line, and how backends are found."""
