"""One offline page on which a reader moves the variances, and every group's line follows."""
