"""Dead letters: listed, shown, and given a second chance."""
