"""What several tests need: backends of all kinds, files of others, and the command run in this process."""
