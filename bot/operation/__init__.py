"""What an operator needs of a bot that runs for months: metrics, health, backups, gentle restarts."""
