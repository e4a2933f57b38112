"""Controls to play with (ipywidgets), each with a twin for where they do not live."""
