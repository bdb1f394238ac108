"""Pages that one looks at: a run or a comparison as one HTML file that needs no network, no script and no other file.

:mod:`~googlenet_parity.html.page` writes a page from a template, :mod:`~googlenet_parity.html.heat` colours numbers by
the share of their bound, :mod:`~googlenet_parity.html.network` and :mod:`~googlenet_parity.html.charts` place what is
drawn. Jinja2, which the extra ``report`` brings, is imported when a page is written and not before.
"""
