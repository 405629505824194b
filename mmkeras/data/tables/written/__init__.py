"""What people write in the cells of tables: numbers, dates and lists."""
