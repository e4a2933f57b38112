"""What people look at: cards, tables, charts, each with a text twin."""
