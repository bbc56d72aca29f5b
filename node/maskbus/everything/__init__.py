"""Everything mode: a grid of points, filters, and no mask twice."""
