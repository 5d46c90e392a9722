"""Every figure's style. matplotlib is imported only when something is drawn."""
