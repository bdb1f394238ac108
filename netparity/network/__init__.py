"""What a network is: kinds of layers, layouts, the contract of a backend, errors, the NumPy reference.

It knows nothing of the rooms above.
"""
