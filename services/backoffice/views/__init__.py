"""What each page shows, put together from the read tables and, at page time, from the owners."""
