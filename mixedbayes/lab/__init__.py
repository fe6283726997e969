"""Studies before their data exist: how much they will tell, by design."""
