"""One language of reports, rendered as HTML, Markdown and TensorBoard."""

from mmkeras.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Cards": "parts",
        "Note": "parts",
        "Picture": "parts",
        "Report": "parts",
        "Section": "parts",
        "Table": "parts",
        "Card": "card",
        "write_report": "write",
        "report_html": "page",
        "plot_attention": "plots",
        "plot_examples": "plots",
        "plot_history": "plots",
    },
)
