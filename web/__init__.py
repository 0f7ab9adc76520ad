"""The site: a page that solves in the visitor's browser, pages for search engines, a static API.

It is a development command, as `bench` is, and no part of the installed package:

    python -m web.build -o DIR

`site` is what every step is given, `build` runs the steps. A step is a module or a folder with
`build(site)`: `engine` (the resolver in the browser), `selector` (the page that uses it), `pages`
(static pages), `api` (JSON documents) and `manual` (the documentation).
"""
