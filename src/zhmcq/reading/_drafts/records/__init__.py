"""Records of json → drafts: where the questions are, and which field is which."""
