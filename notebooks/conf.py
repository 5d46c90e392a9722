"""The book as a web page, from the chapters as they are stored: `make book` builds it, offline."""

from pathlib import Path
import sys

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER / "_book"), str(FOLDER.parent)]

import execute  # noqa: E402

project = "kerasopt"
author = "the kerasopt authors"
html_title = "How neural networks are trained"
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_use_index = html_domain_indices = False
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["bibliography", "chapters", "docstrings", "formulas", "homework"]
exclude_patterns = ["_book", "**.ipynb_checkpoints", "homework/release", "homework/source"]

nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # would come from the network
myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath", "attrs_inline", "attrs_block"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["State", "Differences", "Reference"]
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_static_path = ["_book/static"]
html_css_files = ["book.css"]
html_favicon = "_book/static/favicon.svg"
html_math_renderer = "mathml"
html_copy_source = True
html_sourcelink_suffix = ""  # a chapter's download ends in .ipynb
html_show_sphinx = False
html_theme_options = {
    "logo": {"text": "kerasopt"},
    "repository_url": execute.REPOSITORY,
    "repository_branch": "main",
    "path_to_docs": "notebooks",
    "use_repository_button": True,
    "use_download_button": True,
    "launch_buttons": {
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    },
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "search_bar_text": "Search the book",
}
