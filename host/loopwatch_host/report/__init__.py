"""Reports: one HTML file each, pictures first, for the screen without a network and for paper."""
