"""Tables → drafts: which row is a header, which column is which, what each row holds."""
