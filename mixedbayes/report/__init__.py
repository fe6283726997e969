"""A fit as one self-contained HTML page that needs no network."""
