"""A case's count in words: the rules that were applied, in Chinese and English."""
