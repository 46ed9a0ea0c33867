"""Maps for other programs and for eyes: DOT, GraphML, JSON, SVG, and a page to explore. Each is text, told whole."""
