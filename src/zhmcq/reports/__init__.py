"""Reports: plain rows in; xlsx, csv, json and html out."""
