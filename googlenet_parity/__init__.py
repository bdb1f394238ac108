"""The comparer: does a backend compute the same GoogLeNet as the NumPy reference, and if not, where?"""
