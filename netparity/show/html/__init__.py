"""Pages that one looks at: a run or a comparison as one HTML file that needs no network, no script and no other file.

Jinja2, which the extra ``report`` brings, is imported when a page is written and not before.
"""
