"""What is said: templates, keywords, conversations, and the way in and out through the provider. Imports consent."""
