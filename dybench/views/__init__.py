"""What a saved report can be shown as, one format a file; a view never measures."""
