"""The local API: a server on this computer that speaks OpenAI's protocol."""
