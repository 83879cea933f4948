"""Where the evidence of an answer lies in a face, and whether such a map is true."""
