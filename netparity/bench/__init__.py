"""How fast is which way of which backend: what is measured, and how."""
