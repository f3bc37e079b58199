"""Find what is private in a capture, and replace it by pseudonyms."""
