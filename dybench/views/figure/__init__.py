"""Figures of reports, one file a kind; each is a function of saved reports and never measures."""
