"""The board: pages for people, laid out from what the API answers."""
