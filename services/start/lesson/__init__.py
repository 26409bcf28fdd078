"""The lesson's page: gathers the facts that its checks look at, and remembers what has passed."""
