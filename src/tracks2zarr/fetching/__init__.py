"""Files of a git-annex repository, such as one on GIN, fetched one by one."""
