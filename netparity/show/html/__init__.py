"""Pages that one looks at: a run or a comparison as one HTML file that needs no network, no script and no other file.

:mod:`~netparity.show.html.page` writes a page from a template, :mod:`~netparity.show.html.heat` colours numbers by
the share of their bound, :mod:`~netparity.show.html.network` and :mod:`~netparity.show.html.charts` place what is
drawn. Jinja2, which the extra ``report`` brings, is imported when a page is written and not before.
"""
