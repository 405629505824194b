"""Small programs that use an export without mmkeras; each is copied beside what it uses."""
