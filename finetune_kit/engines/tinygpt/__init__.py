"""tinygpt: a decoder-only GPT of about 1.3 M parameters, in plain NumPy."""
