"""Plain text, Word documents and Moodle's XML → drafts: where questions begin and end."""
