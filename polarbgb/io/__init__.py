"""Files in and out: ROOT, FITS, tables, notices, and the columns they hold."""
