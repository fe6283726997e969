"""Mathematics that several stages need and no library has in this form."""
