"""The terminal dashboard: the desk's picture of a loop, drawn with textual; it knows nothing but that picture."""
