"""The circular 通报 on a month: what is told, what may not be, and how it is laid out."""
