"""A table in the formats of papers, one file each; what a user wrote is text in all of them."""
