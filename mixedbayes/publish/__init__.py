"""Tables and paragraphs for papers."""
